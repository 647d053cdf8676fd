/// run: a command of the user, in the project's folder. It sees its declared `env`, the run's parameters, `MILLRACE_INPUT_<task>`
/// (the Parquet files of an upstream dataset, one path a line) and `MILLRACE_OUTPUT`; exit 0 is done, 75 asks for a retry, anything
/// else is a failure.
#include "flows/grammar/shapes.hpp"
#include "flows/process_tree.hpp"
#include "flows/sql_identifier.hpp"
#include "flows/substitute.hpp"
#include "tasks/child_process.hpp"
#include "tasks/csv_rows.hpp"
#include "tasks/dataset.hpp"
#include "tasks/json_rows.hpp"
#include "tasks/sql_scope.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <optional>
#include <unistd.h>
#include <vector>

namespace millrace {
namespace {

constexpr int exit_retry = 75;                    // EX_TEMPFAIL of sysexits.h
constexpr std::size_t most_file_names = 32 << 10; ///< bytes; Linux takes 128 KB in one variable, and all of them share the stack's limit
constexpr int most_doubles = 10;                  ///< columns that a warning names
namespace fs = std::filesystem;

std::string plain(const Json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

std::string output_path(const AttemptOrder& order, const RunOptions& options) {
    return options.output == "none" ? "" : fmt::format("{}/output-{}.{}", order.staging, order.attempt, options.output);
}

/// The Parquet files of an input, a path a line. Where they are too many for an environment variable they become one.
std::string files_of(const AttemptOrder& order, const std::string& task, const std::string& manifest_path, AttemptSession& session) {
    const Manifest manifest = read_manifest(manifest_path);
    std::string files;
    for (const ManifestPart& part : manifest.parts)
        files += (files.empty() ? "" : "\n") + (fs::path(manifest_path).parent_path() / part.file).string();
    if (files.size() < most_file_names) return files;
    const std::string joined = fmt::format("{}/input-{}-{}.parquet", order.staging, task, order.attempt);
    duckdb::Connection db = session.database().connect();
    const std::shared_ptr<void> stop = session.on_cancel([&db] { db.interrupt(); });
    db.query("COPY (SELECT * FROM " + rows_of(manifest_path, manifest) + ") TO " + quote_literal(joined) +
             " (FORMAT parquet, COMPRESSION zstd)");
    return joined;
}

std::map<std::string, std::string> environment(const AttemptOrder& order, const RunOptions& options, const Scope& scope,
                                               AttemptSession& session) {
    std::map<std::string, std::string> env{{"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
                                           {"LANG", "C.UTF-8"},
                                           {"HOME", order.staging},
                                           {"TMPDIR", order.staging}};
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
    for (const auto& [task, path] : order.inputs) env["MILLRACE_INPUT_" + task] = files_of(order, task, path, session);
    if (options.output != "none") env["MILLRACE_OUTPUT"] = output_path(order, options);
    for (const auto& [name, value] : options.env) env[name] = plain(substitute_text(value, scope));
    const char* mark = std::getenv(host_mark);
    env[attempt_mark] = fmt::format("{}.{}.{}", mark ? mark : "", ::getpid(), order.id);
    return env;
}

/// The system would cut it there, and the command would see another value.
void refuse_nul(const std::string& what, const std::string& text) {
    if (text.find('\0') == std::string::npos) return;
    throw Error(ErrorClass::BadData, what + " has a NUL in it, which no command can be given", "take it out where the value comes from");
}

ChildCommand command_of(const AttemptOrder& order, const RunOptions& options, AttemptSession& session) {
    Scope scope(order.context);
    if (!order.item.is_null()) scope.set("item", order.item);
    const std::string& folder = order.project.empty() ? order.staging : order.project;
    if (::access(folder.c_str(), X_OK) != 0)
        throw Error(ErrorClass::Permanent, fmt::format("the command cannot run in {}: {}", folder, std::strerror(errno)),
                    "let the user that Millrace runs as enter that folder, and those above it");
    ChildCommand command{{}, environment(order, options, scope, session), folder, order.memory_bytes};
    if (options.argv.empty())
        command.argv = {"/bin/sh", "-c", options.command};
    else
        for (const std::string& arg : options.argv) command.argv.push_back(plain(substitute_text(arg, scope)));
    for (const std::string& arg : command.argv) refuse_nul("an argument of the command", arg);
    for (const auto& [name, value] : command.env) refuse_nul("the variable " + name, value);
    return command;
}

std::string relation_of(const std::string& path, const RunOptions& options) {
    const std::string file = quote_literal(path);
    if (options.output == "parquet") return "read_parquet(" + file + ")";
    return "read_json(" + file + ", sample_size = -1)"; // DuckDB guesses, and what has a fraction is a double
}

/// Guessed types lose digits without a word of DuckDB's.
void warn_of_doubles(const Manifest& manifest, AttemptSession& session) {
    std::vector<std::string> names;
    for (const ManifestColumn& c : manifest.columns)
        if (c.type.find("DOUBLE") != std::string::npos || c.type.find("FLOAT") != std::string::npos) names.push_back(c.name);
    if (names.empty()) return;
    const std::vector<std::string> first(names.begin(), names.begin() + std::min<std::ptrdiff_t>(std::ssize(names), most_doubles));
    const std::string more = names.size() > first.size() ? fmt::format(" and {} more", names.size() - first.size()) : "";
    session.event("warning",
                  fmt::format("the types of the output are guessed: {}{} {} read as double, which keeps about 15 digits; declare its "
                              "`columns` ({}: decimal(18,2))",
                              fmt::join(first, ", "), more, names.size() == 1 ? "is" : "are", names.front()),
                  {{"columns", names}});
}

/// A command that wrote nothing has mostly failed without a word, and nothing says what columns its dataset has.
void refuse_blank_json(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if ((in >> std::ws).peek() != std::ifstream::traits_type::eof()) return;
    throw Error(
        ErrorClass::BadData, "the command ended with 0 but its output is empty",
        "declare its `columns`, with which an empty file is a dataset without rows; or write [] where there is no record, which has "
        "none of the columns that other tasks may name");
}

AttemptDone take_output(const AttemptOrder& order, const RunOptions& options, AttemptSession& session) {
    if (options.output == "none") {
        AttemptDone done;
        done.outcome = "completed";
        return done;
    }
    const std::string path = output_path(order, options);
    if (!fs::exists(path))
        throw Error(ErrorClass::BadData, "the command ended with 0 but wrote no output",
                    "write the " + options.output + " file that $MILLRACE_OUTPUT names, or set `output: none`");
    if (options.output == "json" && options.contract.columns.empty()) refuse_blank_json(path);
    duckdb::Connection db = session.database().connect(order.context.timezone);
    const std::shared_ptr<void> stop = session.on_cancel([&db] { db.interrupt(); });
    create_views(db, order.inputs);
    const duckdb::Bindings values = bindings_of(order.context);
    std::optional<JsonRows> json;
    if (options.output == "json" && !options.contract.columns.empty()) json.emplace(db, path, options.contract.columns);
    std::optional<CsvRows> csv;
    if (options.output == "csv") csv.emplace(db, path, options.contract.columns);
    const std::string relation = json ? json->sql() : csv ? csv->sql() : relation_of(path, options);
    const WrittenDataset written = [&] {
        try {
            DatasetRequest request{
                "SELECT * FROM " + relation, &values, options.contract, order.staging, order.attempt, inherited(order), order.origin};
            request.rows_of = RowsOf::Command;
            return write_dataset(db, request, session);
        } catch (const std::exception& e) {
            if (json) json->rethrow();
            if (csv) csv->explain();
            explain_json(e.what(), path);
            throw;
        }
    }();
    fs::remove(path);
    if (options.output != "parquet" && options.contract.columns.empty()) warn_of_doubles(written.manifest, session);
    return completed(written);
}

/// Processes that the system has killed since it started because memory ran out; -1: it does not say.
std::int64_t out_of_memory_kills() {
    std::ifstream counters("/proc/vmstat");
    std::string name;
    for (std::int64_t count = 0; counters >> name >> count;)
        if (name == "oom_kill") return count;
    return -1;
}

/// Who sent it is not told. What is known: whether memory ran out meanwhile.
std::string remedy_of_signal(int signal, std::int64_t kills_before) {
    if (signal != SIGKILL) return "";
    const auto kills = out_of_memory_kills();
    if (kills < 0 || kills_before < 0) return "somebody, or the system, killed it: the kernel's log says whether memory ran out";
    if (kills == kills_before) return "somebody killed it: the system says that memory did not run out meanwhile";
    return "the system killed processes meanwhile because memory ran out: let the command take less, or give the machine more";
}

/// The last lines of a command's output, for its error: what it complained of where it did, else what it said.
class Tail {
public:
    static constexpr std::size_t most_lines = 5;

    void add(std::string_view level, std::string_view text) {
        auto& lines = level == "err" ? complaints_ : answers_;
        const std::string line = plain_line(text);
        if (line.empty()) return;
        lines.push_back(line);
        if (lines.size() > most_lines) lines.pop_front();
    }
    /// ": last | lines", empty where there are none.
    [[nodiscard]] std::string text() const {
        std::string out;
        for (const std::string& line : complaints_.empty() ? answers_ : complaints_) out += (out.empty() ? "" : " | ") + line;
        if (out.size() > most_bytes) {
            std::size_t from = out.size() - most_bytes;
            while (from < out.size() && (static_cast<unsigned char>(out[from]) & 0xC0) == 0x80) ++from; // not within a character
            out = "..." + out.substr(from);
        }
        return out.empty() ? "" : ": " + out;
    }

private:
    static constexpr std::size_t most_bytes = 500;

    static std::string plain_line(std::string_view text) {
        std::string out(text.size() > most_bytes ? text.substr(text.size() - most_bytes) : text);
        for (char& c : out)
            if (static_cast<unsigned char>(c) < ' ' || c == 127) c = ' ';
        out.erase(out.find_last_not_of(' ') + 1);
        return out;
    }

    std::deque<std::string> complaints_, answers_;
};

} // namespace

AttemptDone run_command(const AttemptOrder& order, AttemptSession& session) {
    const auto options = order.options.get<RunOptions>();
    ChildProcess child;
    const std::shared_ptr<void> stop = session.on_cancel([&child] { child.stop(); });
    if (!options.output.empty() && options.output != "none") fs::remove(output_path(order, options));
    Tail tail;
    const auto kills_before = out_of_memory_kills();
    const ChildEnd end =
        child.run(command_of(order, options, session), [&](std::string_view level, const std::vector<std::string_view>& lines) {
            session.log(level, lines);
            for (std::size_t i = lines.size() - std::min(lines.size(), Tail::most_lines); i < lines.size(); ++i) tail.add(level, lines[i]);
        });
    session.check_cancelled();
    if (end.memory_bytes != 0) {
        const auto [unit, bytes] = memory_unit(order.memory_bytes);
        throw Error(ErrorClass::Resource,
                    fmt::format("the command and what it started held {:.1f} {} of memory, and `memory` allows {} {}{}",
                                static_cast<double>(end.memory_bytes) / static_cast<double>(bytes), unit, order.memory_bytes / bytes, unit,
                                tail.text()),
                    "raise `memory` of the task");
    }
    if (end.signal != 0)
        throw Error(ErrorClass::Crashed,
                    fmt::format("the command was killed by signal {} ({}){}", end.signal, ::strsignal(end.signal), tail.text()),
                    remedy_of_signal(end.signal, kills_before));
    if (end.exit_code == exit_retry) {
        AttemptDone done;
        done.outcome = "retry";
        done.error = OrderError{"transient", "the command asked for a retry (exit code 75)" + tail.text(), "", 0};
        return done;
    }
    if (end.exit_code != 0)
        throw Error(ErrorClass::Permanent, fmt::format("the command ended with exit code {}{}", end.exit_code, tail.text()),
                    tail.text().empty() ? "" : "the log has its output");
    return take_output(order, options, session);
}

} // namespace millrace
