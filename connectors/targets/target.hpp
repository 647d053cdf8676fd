/// A system that datasets are loaded into. One implementation per kind of connection; target_kinds.cpp names them all.
#pragma once

#include "connectors/duckdb/database.hpp"
#include "connectors/manifest.hpp"
#include "flows/error.hpp"
#include "flows/host_message.hpp"
#include "flows/task_options.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace millrace {

/// One batch: everything that is loaded by one task run, in one transaction where the target has them.
struct LoadRequest {
    struct Table {
        LoadTable spec;
        std::string manifest_path;
        Manifest manifest;
    };
    LoadOptions options;       ///< substituted: no `${}` is left
    std::vector<Table> tables; ///< in this order
    RunContext context;        ///< for stamps and for `$name` in scope
    duckdb::Bindings* values;  ///< the same values for DuckDB's SQL (`delete: {when: ..}`)
    std::string task;
    std::string place; ///< where it is written, "flows/hours.yaml:21"; empty: unknown
    std::string interval_key;
    std::string batch_id;
    std::string content_hash; ///< over all tables, their modes and keys
};

/// How a load tells what it does, and learns that it should stop. Empty members are not called.
struct LoadMonitor {
    std::function<void(const std::string& step, std::int64_t rows, std::int64_t total)> progress;
    std::function<void(const std::string& kind, const std::string& message, const Json& details)> event; ///< see AttemptSession::event
    std::function<std::shared_ptr<void>(std::function<void()>)> on_cancel;                               ///< see AttemptSession::on_cancel
    std::function<bool()> cancelled;
};

/// A load stopped before it deleted more rows of a table than it may. Nothing was loaded.
class DeletesRefused : public Error {
public:
    DeletesRefused(const Error& why, std::string table_name, std::int64_t rows_to_delete, std::vector<std::string> some_rows)
        : Error(why), table(std::move(table_name)), rows(rows_to_delete), some(std::move(some_rows)) {}
    std::string table;
    std::int64_t rows;             ///< that would be deleted
    std::vector<std::string> some; ///< of them, each as a JSON object
};

/// A query of a `wait`, in the SQL of the target.
struct Question {
    /// As the target writes one of `type` (text | int | decimal | bool | date | timestamptz); a list has texts. Neither: NULL.
    struct Value {
        std::optional<std::string> text;
        std::optional<std::vector<std::string>> list;
        std::string type;
    };
    std::string sql;
    std::map<std::string, Value> values; ///< by the name in `$name`
    std::string asker;                   ///< whom the target's people see: "millrace run 4 of hours"
};

struct Answer {
    bool holds = false; ///< the first value of the first row is one, and not false, 0 or the empty text
    std::string told;   ///< it, or "no row"; cut
};

/// A query that the target does not understand.
class QuestionRefused : public Error {
public:
    QuestionRefused(const Error& why, std::optional<std::size_t> offset_in_sql) : Error(why), offset(offset_in_sql) {}
    std::optional<std::size_t> offset; ///< byte of Question::sql; nothing: unknown
};

/// One thing that `connections check` tried.
struct CheckResult {
    std::string what;
    bool passed = false;
    std::string detail; ///< a version, or the reason and the remedy
};

class Target {
public:
    virtual ~Target() = default;
    /// Effectively once: the same batch with the same content is loaded a single time, whatever dies in between.
    /// Throws Error; then nothing was loaded, or (Transient, a connection lost in the commit) a retry finds out.
    [[nodiscard]] virtual std::vector<LoadCounts> load(const LoadRequest& request, const duckdb::Database& database,
                                                       const LoadMonitor& monitor) = 0;
    /// Reads, and changes nothing. Takes minutes at most. Throws Error, QuestionRefused too.
    [[nodiscard]] virtual Answer ask(const Question& question, const LoadMonitor& monitor) = 0;
    /// Never throws for what a user can mend: that is a result.
    [[nodiscard]] virtual std::vector<CheckResult> check() = 0;
};

/// `connection` is `{"type": ..., fields}`. Throws Error{Permanent} for a type that is no target.
[[nodiscard]] std::unique_ptr<Target> open_target(const std::string& name, const Json& connection);

} // namespace millrace
