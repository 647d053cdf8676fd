/// Proves that a node's staging folder is the one that its store's nodes share: the first makes a file there that is named for the
/// store's mark, the others have to find it. Else a folder that is another one, or a file system that is not mounted, would let a node
/// take over runs whose datasets it does not have, and write to where nobody looks.
#pragma once

#include "flows/time.hpp"
#include "scheduler/store/database.hpp"

#include <boost/asio/awaitable.hpp>

#include <filesystem>
#include <optional>
#include <string>

namespace millrace {

/// As the store knows it.
struct StagingMark {
    std::string mark; ///< uuid
    std::string node, folder;
    Instant made_at{};
};

/// What a node knows of its own folder.
struct StagingFolder {
    std::string node, path;
    bool is_own = false; ///< in the node's state folder, whose lock it holds: it is mounted
    bool has_mark = false;
    bool is_alone = false; ///< the store knows of no other node, living or dead
};

enum class StagingVerdict {
    Ours,   ///< it has the mark
    Make,   ///< the store has none yet, as at its first start and after an upgrade
    Move,   ///< one node alone was given another folder, or emptied its own: nobody else has the old one; it gets a new mark
    Refuse, ///< it is not the one that the nodes share, or it is not mounted
};

/// Pure.
[[nodiscard]] StagingVerdict judge(const std::optional<StagingMark>& known, const StagingFolder& folder);

[[nodiscard]] std::filesystem::path mark_file(const std::filesystem::path& staging, const std::string& mark);
/// Why a node with this folder cannot work, and what to do.
[[nodiscard]] std::string unproved_text(const StagingMark& known, const std::string& folder);
[[nodiscard]] std::string unproved_remedy(const StagingMark& known, const std::string& folder);

struct ProvedStaging {
    StagingMark mark;
    std::string moved_from; ///< empty: it did not move
    bool is_own = false;    ///< as in StagingFolder
};
/// Of a node that has not begun to work; what the folder lacks is made where that may be. Throws Error{Permanent} for a folder that is not
/// the shared one, and Error{Resource} where the file cannot be made.
[[nodiscard]] boost::asio::awaitable<ProvedStaging> prove_staging(Database& database, std::string node, std::string staging,
                                                                  std::string state);

enum class MayRemake { No, Yes };
/// Of a node that works. `may`: what was removed by hand is made again, where nobody else has another folder. Blocking.
[[nodiscard]] bool still_has_mark(const std::filesystem::path& staging, const StagingMark& known, MayRemake may);

[[nodiscard]] const std::vector<Statement>& staging_statements();

} // namespace millrace
