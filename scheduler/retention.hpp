/// How long things are kept, and what of a run's folder may go. Pure: retention_job.hpp acts on it, store/history.hpp on the rows.
///
///     <staging>/<run>/logs/...                        Logs
///                    /<task>[/<item>]/raw/...         Raw, of rejected records Quarantine
///                                    /quarantine-*    Quarantine, as are refused-deletes-*
///                                    /...             Datasets
#pragma once

#include "flows/json.hpp"
#include "flows/time.hpp"

#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace millrace {

/// From the end of a run on.
struct RetentionPolicy {
    std::chrono::microseconds raw = std::chrono::days(7), quarantine = std::chrono::days(30), datasets = std::chrono::days(7),
                              logs = std::chrono::days(30), history = std::chrono::days(90), events = history;
};

/// `written` is `retention` of millrace.yaml, durations as text by kind; null: nothing. `history` is a day at least: nodes hold run
/// ids in hand that long. Nothing is kept longer than `history`, since without its run a folder is nobody's: of what is not written the
/// others become shorter, or `history` longer.
[[nodiscard]] RetentionPolicy retention_policy(const Json& written);

enum class Kept { Raw, Quarantine, Datasets, Logs };

/// Of a file, by its path below the folder of its run.
[[nodiscard]] Kept kind_of(std::string_view path);

/// Whose folder it is, as the store knows it.
struct FolderOwner {
    bool is_known = false;           ///< there is such a run
    bool is_needed = false;          ///< it is live, or a live run goes on from it
    std::optional<Instant> ended_at; ///< of a run that has ended
};

/// What of a folder may go. `changed_at` is when the folder itself last was: without a run it is left alone for a day.
[[nodiscard]] std::set<Kept> due(const RetentionPolicy& policy, const FolderOwner& owner, Instant changed_at, Instant now);

/// No folder that was changed after this can have anything that is due.
[[nodiscard]] Instant oldest_untouched(const RetentionPolicy& policy, Instant now);

} // namespace millrace
