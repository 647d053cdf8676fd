/// run: a command of the user. It sees its declared `env`, the run's parameters, `MILLRACE_INPUT_<task>` (the Parquet files of
/// an upstream dataset, one path a line) and `MILLRACE_OUTPUT`; exit 0 is done, 75 asks for a retry, anything else is a failure.
#include "connectors/sql_identifier.hpp"
#include "flows/substitute.hpp"
#include "tasks/child_process.hpp"
#include "tasks/dataset.hpp"
#include "tasks/sql_scope.hpp"

#include <cstring>
#include <filesystem>
#include <fmt/format.h>

namespace millrace {
namespace {

constexpr int exit_retry = 75; // EX_TEMPFAIL of sysexits.h
namespace fs = std::filesystem;

std::string plain(const Json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

std::string upper(std::string text) {
    for (char& ch : text) ch = static_cast<char>(ch >= 'a' && ch <= 'z' ? ch - 32 : ch);
    return text;
}

std::string output_path(const AttemptOrder& order, const RunOptions& options) {
    return options.output == "none" ? "" : fmt::format("{}/output-{}.{}", order.staging, order.attempt, options.output);
}

std::map<std::string, std::string> environment(const AttemptOrder& order, const RunOptions& options, const Scope& scope) {
    std::map<std::string, std::string> env{{"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, {"LANG", "C.UTF-8"}, {"HOME", order.staging}};
    const RunContext& c = order.context;
    for (const auto& [name, value] : c.params.items())
        if (!value.is_null()) env[name] = plain(value);
    env["MILLRACE_FLOW"] = c.flow;
    env["MILLRACE_TASK"] = order.task;
    env["MILLRACE_RUN_ID"] = std::to_string(c.run_id);
    env["MILLRACE_RUN_AT"] = c.run_at;
    env["MILLRACE_ATTEMPT"] = std::to_string(order.attempt);
    if (c.interval_start) env["MILLRACE_INTERVAL_START"] = *c.interval_start;
    if (c.interval_end) env["MILLRACE_INTERVAL_END"] = *c.interval_end;
    if (!order.item.is_null()) env["MILLRACE_ITEM"] = order.item.dump();
    for (const auto& [task, path] : order.inputs) {
        std::string files;
        for (const ManifestPart& part : read_manifest(path).parts)
            files += (files.empty() ? "" : "\n") + (fs::path(path).parent_path() / part.file).string();
        env["MILLRACE_INPUT_" + task] = files;
    }
    if (options.output != "none") env["MILLRACE_OUTPUT"] = output_path(order, options);
    for (const auto& [name, value] : options.env) env[name] = plain(substitute_text(value, scope));
    return env;
}

ChildCommand command_of(const AttemptOrder& order, const RunOptions& options) {
    Scope scope(order.context);
    if (!order.item.is_null()) scope.set("item", order.item);
    ChildCommand command{{}, environment(order, options, scope), order.staging};
    if (options.argv.empty()) command.argv = {"/bin/sh", "-c", options.command};
    else
        for (const std::string& arg : options.argv) command.argv.push_back(plain(substitute_text(arg, scope)));
    return command;
}

/// Text that the contract casts itself, so that nothing is guessed or rounded on the way.
std::string text_columns(const std::vector<ColumnSpec>& columns) {
    std::string out;
    for (const ColumnSpec& c : columns) {
        const std::string type = upper(c.type);
        const bool nested = type == "JSON" || type.ends_with("]") || type.starts_with("STRUCT") || type.starts_with("MAP");
        out += (out.empty() ? "{" : ", ") + quote_literal(c.name) + ": " + quote_literal(nested ? c.type : "VARCHAR");
    }
    return out + "}";
}

std::string relation_of(const std::string& path, const RunOptions& options) {
    const std::string file = quote_literal(path);
    if (options.output == "parquet") return "read_parquet(" + file + ")";
    if (options.output == "csv") return "read_csv(" + file + ", header = true, " + (options.contract.columns.empty() ? "sample_size = -1)" : "all_varchar = true)");
    return "read_json(" + file + (options.contract.columns.empty() ? ", sample_size = -1)" : ", columns = " + text_columns(options.contract.columns) + ")");
}

AttemptDone take_output(const AttemptOrder& order, const RunOptions& options, AttemptSession& session) {
    AttemptDone done;
    done.outcome = "completed";
    if (options.output == "none") return done;
    const std::string path = output_path(order, options);
    if (!fs::exists(path))
        throw Error(ErrorClass::BadData, "the command ended with 0 but wrote no output", "write the " + options.output + " file that $MILLRACE_OUTPUT names, or set `output: none`");
    duckdb::Connection db = session.database().connect();
    const std::shared_ptr<void> stop = session.on_cancel([&db] { db.interrupt(); });
    create_views(db, order.inputs);
    const duckdb::Bindings values = bindings_of(order.context);
    const WrittenDataset written = write_dataset(db, {"SELECT * FROM " + relation_of(path, options), &values, options.contract, order.staging, order.attempt, inherited(order)}, session);
    fs::remove(path);
    done.manifest = written.path;
    done.dataset_hash = written.manifest.hash;
    done.rows = done.progress.records = written.manifest.rows;
    done.rejected = written.manifest.rejected;
    return done;
}

} // namespace

AttemptDone run_command(const AttemptOrder& order, AttemptSession& session) {
    const auto options = order.options.get<RunOptions>();
    ChildProcess child;
    const std::shared_ptr<void> stop = session.on_cancel([&child] { child.stop(); });
    if (!options.output.empty() && options.output != "none") fs::remove(output_path(order, options));
    const ChildEnd end = child.run(command_of(order, options), [&](std::string_view level, std::string_view text) { session.log(level, text); });
    session.check_cancelled();
    if (end.signal != 0)
        throw Error(ErrorClass::Crashed, fmt::format("the command was killed by signal {} ({})", end.signal, ::strsignal(end.signal)),
                    end.signal == 9 ? "signal 9 often means that memory ran out: raise `memory`" : "");
    if (end.exit_code == exit_retry) {
        AttemptDone done;
        done.outcome = "retry";
        done.error = OrderError{"transient", "the command asked for a retry (exit code 75)", "", 0};
        return done;
    }
    if (end.exit_code != 0) throw Error(ErrorClass::Permanent, fmt::format("the command ended with exit code {}", end.exit_code), "its output is in the log");
    return take_output(order, options, session);
}

} // namespace millrace
