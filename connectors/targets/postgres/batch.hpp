/// The ledger of a schema and the transaction of a batch: what makes a load happen once.
///
///   _millrace_ledger   a row per batch; its unique batch_id is inserted as the first statement of the data transaction, so a second
///                      attempt waits for a first whose session still lives, and then sees that it is loaded
///   _millrace_target   a row per table: the high-water of extraction time, and the lock that lets one load into a table at a time
///
/// Each schema guards its own tables: a batch with tables in several schemas has its row in every one of them.
#pragma once

#include "connectors/targets/postgres/session.hpp"
#include "connectors/targets/target.hpp"

#include <optional>
#include <string>
#include <vector>

namespace millrace::postgres {

/// SQL of an instant that is to be told as manifests write theirs: its microseconds since 1970.
[[nodiscard]] std::string micros_of(const std::string& instant);

class Ledger {
public:
    /// Must not outlive the request.
    Ledger(Session& session, const LoadRequest& request, std::string schema);
    /// A table of the batch in this schema; `name`: schema.table.
    void add(const std::string& name, const LoadTable& table);

    /// Creates both tables where they are missing, in a transaction of its own.
    void prepare();
    /// What an earlier attempt of this batch loaded. Throws Error{Permanent} when it had other content.
    [[nodiscard]] std::optional<std::vector<LoadCounts>> find();
    /// In the data transaction, first: false when another attempt has loaded the batch meanwhile.
    [[nodiscard]] bool claim(const std::string& extracted_at);
    /// Locks the tables' rows, in one order for everybody. Throws Error{Permanent} for a batch older than what a table already
    /// holds of the same time, where it could undo that.
    void enter(const std::string& extracted_at);
    /// In the data transaction, last.
    void record(const std::string& extracted_at, const std::vector<LoadCounts>& counts);

private:
    Session& session_;
    const LoadRequest& request_;
    std::string schema_;
    std::string ledger_, targets_; ///< quoted names
    std::vector<std::string> tables_;
    std::vector<std::string> minding_age_; ///< those of them that an older batch could undo
};

} // namespace millrace::postgres
