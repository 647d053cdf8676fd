/// `millrace runs logs`
#include "daemon/cli/run_logs.hpp"

#include "daemon/cli/absence.hpp"
#include "daemon/cli/command_table.hpp"
#include "daemon/cli/format.hpp"
#include "daemon/cli/log_view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <thread>

namespace millrace {
namespace {

struct LogArguments {
    std::string id, task, search, level;
    int attempt = 0;
    bool follow = false;
};

/// Chunks have logs of their own; that of the whole before them tells what somebody did to it.
std::vector<std::string> runs_with_logs(const ApiClient& api, const std::string& id) {
    std::vector<std::string> ids{id};
    const auto run = api.get("/api/v1/runs/" + url_encoded(id));
    auto chunks = list_of(run, "chunks");
    if (!text_of(run, "chunks_next").empty()) {
        chunks = api.list("/api/v1/runs?limit=500&parent=" + url_encoded(id));
        std::reverse(chunks.begin(), chunks.end()); // the newest come first
    }
    for (const auto& chunk : chunks) ids.push_back(text_of(chunk, "id"));
    return ids;
}

std::string log_target(const std::string& run, const LogArguments& arguments, const std::string& after, int limit) {
    std::string target = fmt::format("/api/v1/runs/{}/logs?limit={}&after={}", url_encoded(run), limit, url_encoded(after));
    if (!arguments.task.empty()) target += "&task=" + url_encoded(arguments.task);
    if (arguments.attempt > 0) target += fmt::format("&attempt={}", arguments.attempt);
    if (!arguments.search.empty()) target += "&search=" + url_encoded(arguments.search);
    if (!arguments.level.empty()) target += "&level=" + arguments.level;
    return target;
}

Json fetch_log(const ApiClient& api, const std::string& run, const std::string& task, const std::string& target) {
    try {
        return api.get(target);
    } catch (ApiError& error) {
        if (!task.empty()) suggest_task(api, run, task, error);
        throw;
    }
}

/// Throws what the daemon says where none of the runs has that attempt; a chunk may have had fewer than another.
std::vector<std::string> with_attempt(const ApiClient& api, const std::vector<std::string>& ids, const LogArguments& arguments) {
    if (arguments.attempt == 0) return ids;
    std::vector<std::string> having;
    for (std::size_t i = 0; i < ids.size(); ++i) {
        try {
            (void)fetch_log(api, ids[i], arguments.task, log_target(ids[i], arguments, "", 1));
            having.push_back(ids[i]);
        } catch (const ApiError& error) {
            if (error.status != 404 || (i + 1 == ids.size() && having.empty())) throw;
        }
    }
    return having;
}

/// What `ask` gives; where the log is followed, after any absence of the daemon.
template <class Ask>
Json answer_to(Ask ask, const LogArguments& arguments, Absence& absence) {
    if (!arguments.follow) return ask();
    Json answer;
    while (!absence.bears([&] { answer = ask(); })) std::this_thread::sleep_for(std::chrono::milliseconds(300));
    return answer;
}

/// Gives `show` the lines of one run, to its end where they are followed.
template <class Show>
void read_log(const ApiClient& api, const std::string& id, const LogArguments& arguments, Absence& absence, Show show) {
    for (std::string after;;) {
        const auto page = [&] { return fetch_log(api, id, arguments.task, log_target(id, arguments, after, 10000)); };
        const auto answer = answer_to(page, arguments, absence);
        const auto lines = list_of(answer, "items");
        for (const auto& line : lines) show(line);
        std::cout.flush();
        const auto next = text_of(answer, "next");
        if (!next.empty()) after = next;
        if (answer.value("end", false) || (!arguments.follow && (lines.empty() || next.empty()))) return;
        if (lines.empty()) std::this_thread::sleep_for(std::chrono::milliseconds(300));
    }
}

/// A task that runs a flow logs nothing itself.
void tell_where_logs_are(const ApiClient& api, const std::vector<std::string>& ids, const std::string& task) {
    constexpr int most_told = 10;
    for (const auto& id : ids) {
        const Json page = api.get(fmt::format("/api/v1/runs/{}/tasks?task={}&limit={}", id, url_encoded(task), most_told));
        for (const auto& one : page.at("items"))
            if (const auto called = text_of(one, "run"); !called.empty())
                std::cerr << fmt::format("{} has no log of its own, it ran a flow: millrace runs logs {}\n", printable(task_run_name(one)),
                                         called);
    }
}

/// For a program that reads lines as they come: NDJSON.
void print_on_one_line(const Json& line) { std::cout << line.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n'; }

int show_logs(Cli& cli, const LogArguments& arguments) {
    const auto api = arguments.follow ? watchful(cli.api()) : cli.api();
    const auto tell = [](const std::string& text) { std::cerr << "millrace: " << text << std::endl; };
    Absence absence({arguments.id}, tell, now());
    LogView view(std::cout, cli.out, arguments.task.empty() ? LogView::Tasks::Shown : LogView::Tasks::Hidden);
    Json all = Json::array();
    bool some = false;
    const auto ids = with_attempt(api, runs_with_logs(api, arguments.id), arguments);
    for (const auto& id : ids) {
        auto one = arguments;
        one.follow = arguments.follow && (id != arguments.id || ids.size() == 1); // the whole ends after its chunks
        const auto run = [&] { return api.get("/api/v1/runs/" + url_encoded(id)); };
        if (!cli.json) view.of(answer_to(run, arguments, absence));
        read_log(api, id, one, absence, [&](const Json& line) {
            some = true;
            if (!cli.json) return view.show(line);
            arguments.follow ? print_on_one_line(line) : all.push_back(line);
        });
    }
    if (cli.json && !arguments.follow) Cli::print(all);
    if (!cli.json && !some && !arguments.task.empty()) tell_where_logs_are(api, ids, arguments.task);
    return exit_done;
}

} // namespace

void add_runs_logs(CLI::App& runs, Cli& cli) {
    auto log = std::make_shared<LogArguments>();
    auto* logs = runs.add_subcommand("logs", "The log of a run");
    logs->add_option("RUN", log->id, "its number, as `millrace runs list` shows it, or RUN.TASK")->required()->type_name("");
    logs->add_option("--task", log->task, "of this task")->type_name("TASK");
    logs->add_option("--attempt", log->attempt, "of this attempt, from 1 on")->check(CLI::Range(1, 1'000'000))->type_name("N");
    logs->add_option("--grep", log->search, "only lines with this text, upper and lower case alike")->type_name("TEXT");
    logs->add_option("--level", log->level,
                     "only lines of this level or a higher one: debug, info, warn or error; what a command wrote is info")
        ->check(CLI::IsMember({"debug", "info", "warn", "warning", "error"}))
        ->type_name("LEVEL");
    logs->add_flag(
        "-f,--follow", log->follow,
        "until the run ends; a daemon that is away is waited for, at most 5 minutes; with --json one object on each line, as they "
        "come (NDJSON)");
    on_call(logs, cli, [&cli, log] {
        if (const auto dot = log->id.find('.'); dot != std::string::npos && log->task.empty()) { // RUN.TASK, as `data head` takes it
            log->task = log->id.substr(dot + 1);
            log->id.resize(dot);
        }
        return show_logs(cli, *log);
    });
}

} // namespace millrace
