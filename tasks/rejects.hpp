/// Rows that a contract kept out, or that break a check: a dataset of their own, beside the one that lacks them, and what is said of
/// them. It is kept for a task that fails because of them too.
#pragma once

#include "connectors/duckdb/database.hpp"
#include "connectors/manifest.hpp"
#include "flows/error.hpp"
#include "flows/origin.hpp"
#include "flows/task_options.hpp"
#include "tasks/verb.hpp"

#include <string>

namespace millrace {

/// The dataset of rejected rows has these columns, all of them texts: `_column` and `_value` are the first of the row that broke
/// `_rule` (null: the whole row), `_position` is where it stood, `_raw` the row as it came, as JSON.
inline constexpr const char* reject_columns[] = {"_column", "_rule", "_value", "_position", "_raw"};

/// The path of the manifest that `manifest.quarantine` names, which is beside it in `folder`; empty: there is none.
[[nodiscard]] std::string rejects_path(const Manifest& manifest, const std::string& folder);

/// Rows were rejected, and the task fails: because of them, or of something else. They stay: the outcome of the attempt names their
/// dataset.
class FailedWithRejects : public Error {
public:
    /// `manifest` is of the dataset in `folder` that comes to nothing.
    FailedWithRejects(const Error& why, const Manifest& manifest, const std::string& folder)
        : Error(why), rejected(manifest.rejected), warned(manifest.warned), rejects(rejects_path(manifest, folder)) {}
    std::int64_t rejected, warned;
    std::string rejects; ///< path of the manifest of these rows; empty: they were not kept
};

/// What broke which rule, how often, and some of it.
struct RejectSummary {
    std::string text;
    std::string remedy; ///< empty: none is known
};

/// The task whose rows were rejected.
struct RejectingTask {
    std::vector<std::string> keys; ///< columns that identify a row
    bool sensitive = false;
    TaskOrigin origin;
    std::string sql; ///< that made them
};

/// `rows` is a SELECT of `reject_columns`. Examples are told by their value and by keys; of sensitive rows there are none.
[[nodiscard]] RejectSummary summarize(duckdb::Connection& db, const std::string& rows, const RejectingTask& task);

/// Of rows that fail a task, or break a check, so many are kept to be looked at.
inline constexpr std::int64_t most_to_look_at = 10'000;

/// How many rejected rows are kept: of a task that fails because of the first of them, some.
[[nodiscard]] std::int64_t most_kept(const RejectsSpec& policy);

/// The SELECT `rows` of `reject_columns`, and the rows that `manifest.quarantine` names already: they are of an earlier stage.
[[nodiscard]] std::string with_earlier_rejects(const std::string& rows, const std::string& folder, const Manifest& manifest);

/// Writes what the SELECT `rows` gives, `most` of it, as the dataset `name` in `folder`, with the parts of the one that
/// `manifest.quarantine` names already, and names it there.
void keep_rejects(duckdb::Connection& db, const std::string& folder, const std::string& name, const std::string& rows, std::int64_t most,
                  Manifest& manifest);

/// The same of rows that a load refuses to delete: `some` of them, each a JSON object, under the `rule`. Gives the manifest's path.
[[nodiscard]] std::string keep_refused_deletes(duckdb::Connection& db, const std::string& folder, const std::string& name,
                                               const std::string& rule, const std::vector<std::string>& some, Manifest manifest);

/// Of `total`, `manifest.rejected` were rejected: an event within the limit of `policy`, FailedWithRejects beyond it. `what` are
/// they, and whose contract do they break: "rows break the contract".
void tell_rejects(const RejectsSpec& policy, const Manifest& manifest, const std::string& folder, std::int64_t total,
                  const std::string& what, const RejectSummary& summary, AttemptSession& session);

} // namespace millrace
