/// `millrace runs list | show | cancel | pause | resume | approve | reject | rerun`
#include "daemon/cli/commands.hpp"

#include "daemon/cli/flow_arguments.hpp"
#include "daemon/cli/follow_runs.hpp"
#include "daemon/cli/format.hpp"
#include "daemon/cli/project_flows.hpp"
#include "daemon/cli/run_logs.hpp"
#include "flows/state.hpp"

#include <fmt/format.h>

#include <iostream>

namespace millrace {
namespace {

constexpr const char* run_number = "its number, as `millrace runs list` shows it";

struct ListArguments {
    std::string flow, state;
    int limit = 20;
};

/// What it loaded or why it is where it is, after the numbers of its chunks.
std::string list_message(const Json& run) {
    const auto chunks = chunk_runs_text(run), cause = cause_text(run);
    const auto about = text_of(run, "state") == "completed" && cause.empty() ? run_detail(run) : cause;
    return chunks + (chunks.empty() || about.empty() ? "" : ": ") + about;
}

int list_runs(Cli& cli, const ListArguments& arguments) {
    std::string target = fmt::format("/api/v1/runs?limit={}", arguments.limit);
    if (!arguments.flow.empty()) target += "&flow=" + url_encoded(arguments.flow);
    if (!arguments.state.empty()) target += "&state=" + url_encoded(arguments.state);
    const auto runs = cli.api().get(target).at("items"); // throws where there is no such flow
    if (cli.json) {
        Cli::print(runs);
        return exit_done;
    }
    using enum TextTable::Align;
    TextTable table({{"run", Right}, {"flow"}, {"state"}, {"by", Left, 1}, {local_title("created")}, {"took", Right, 2}, {"message"}});
    for (const auto& run : runs)
        table.add({text_of(run, "id"),
                   text_of(run, "flow"),
                   {outcome_text(run), paint_of_run(run)},
                   trigger_of(run),
                   local_time_text(text_of(run, "created_at")),
                   elapsed_text(run, now()),
                   list_message(run)});
    if (table.is_empty())
        std::cout << "There is no such run.\n";
    else
        table.write(std::cout, cli.out);
    return exit_done;
}

int show_run(Cli& cli, const std::string& id) {
    if (cli.json) {
        Cli::print(fetch_whole_run(cli.api(), id));
        return exit_done;
    }
    const auto run = fetch_run(cli.api(), id);
    const auto took = elapsed_text(run, now());
    std::cout << fmt::format("{} run {}  {}  by {}, created {} {}{}\n", cli.out.painted(text_of(run, "flow"), Paint::Bold),
                             text_of(run, "id"), cli.out.painted(outcome_text(run), paint_of_run(run)), trigger_of(run),
                             local_time_text(text_of(run, "created_at")), local_zone_text(), took.empty() ? "" : ", took " + took);
    if (const auto message = message_text(run); !message.empty() && !is_final(state_from(text_of(run, "state"))))
        std::cout << printable(message) << '\n';
    if (const auto interval = interval_text(run); !interval.empty()) std::cout << "interval " << interval << '\n';
    if (run.contains("params") && !run["params"].empty()) std::cout << "params " << printable(params_text(run["params"])) << '\n';
    if (const auto rows = number_of(run, "limit_rows"); rows > 0)
        std::cout << fmt::format("trial: each extract reads at most {}, and loads go into the schema millrace_scratch\n",
                                 counted(rows, "row"));
    if (!text_of(run, "rerun_of").empty()) std::cout << "rerun of " << text_of(run, "rerun_of") << '\n';
    if (const auto allowed = run.value("allow_deletes", Json()); allowed.is_object())
        std::cout << fmt::format("{} let it delete up to {} rows of each table, beyond `max_deletes`\n", printable(text_of(allowed, "by")),
                                 text_of(allowed, "rows"));
    std::cout << '\n';

    using enum TextTable::Align;
    const auto chunks = list_of(run, "chunks");
    std::vector<TextTable::Column> columns{{"task"}, {"verb", Left, 2}, {"state"}, {"attempts", Right, 3}, {"took", Right, 1}, {"detail"}};
    if (!chunks.empty()) columns.insert(columns.begin(), {TextTable::Column{"chunk"}, TextTable::Column{"run", Right}});
    TextTable table(std::move(columns));
    const auto add = [&](const std::string& number, const Json& of, std::vector<TextTable::Cell> cells) {
        if (!chunks.empty()) cells.insert(cells.begin(), {TextTable::Cell(number), TextTable::Cell(text_of(of, "id"))});
        table.add(std::move(cells));
    };
    const auto add_tasks = [&](const std::string& number, const Json& of) {
        for (const auto& task : list_of(of, "tasks")) {
            const auto item = text_of(task, "item");
            add(number, of,
                {text_of(task, "task") + (item.empty() ? "" : "[" + item + "]"),
                 text_of(task, "verb"),
                 {state_text(task), paint_of(text_of(task, "state"))},
                 text_of(task, "attempts"),
                 elapsed_text(task, now()),
                 outcome_tells(run, task) ? "" : task_detail(of, task)});
        }
    };
    add_tasks("", run);
    std::int64_t routine = 0;
    for (const auto& chunk : chunks) {
        if (chunk.value("is_routine", false)) {
            ++routine;
            continue;
        }
        const auto number = fmt::format("{} of {}", number_of(chunk["chunk"], "number"), number_of(chunk["chunk"], "of"));
        if (list_of(chunk, "tasks").empty())
            add(number, chunk, {"", "", {state_text(chunk), paint_of(text_of(chunk, "state"))}, "", "", ""});
        add_tasks(number, chunk);
    }
    if (!table.is_empty()) table.write(std::cout, cli.out);
    if (routine > 0)
        std::cout << fmt::format("and {} that completed without a warning: millrace runs show {} --json\n", counted(routine, "chunk"), id);
    const auto tell_rest = [&](const std::string& of, const Json& one) {
        if (const auto rest = left_out_text(one); !rest.empty())
            std::cout << fmt::format("{}{}: millrace runs show {} --json\n", of, rest, text_of(one, "id"));
    };
    tell_rest("", run);
    for (const auto& chunk : chunks) tell_rest(chunk_text(chunk) + ": ", chunk);
    write_outcome(std::cout, cli.out, {run});
    return exit_done;
}

/// One line about what the run is now.
int write_run(Cli& cli, const Json& run) {
    if (cli.json)
        Cli::print(run);
    else
        std::cout << fmt::format("{} run {} {}\n", text_of(run, "flow"), text_of(run, "id"), state_text(run));
    return exit_done;
}

int act(Cli& cli, const std::string& target, const Json& body) {
    const auto api = cli.api();
    cli.say_whose_answer();
    return write_run(cli, api.post(target, body));
}

struct WaitingTask {
    std::string run, task; ///< the run, or the chunk that has it
};

/// The only one of the run that waits for a decision. Throws UsageError where there is none, or more.
WaitingTask waiting_task(const ApiClient& api, const std::string& id) {
    std::vector<WaitingTask> waiting;
    const auto run = fetch_run(api, id);
    const auto add = [&](const Json& of) {
        for (const auto& task : list_of(of, "tasks"))
            if (text_of(task, "state_name") == "AwaitingApproval") waiting.push_back({text_of(of, "id"), text_of(task, "task")});
    };
    add(run);
    for (const auto& chunk : list_of(run, "chunks")) add(chunk);
    if (waiting.size() == 1) return waiting.front();
    if (waiting.empty()) throw UsageError(fmt::format("nothing in run {} waits for a decision", id), "millrace runs show " + id);
    std::vector<std::string> each;
    for (const auto& one : waiting) each.push_back(one.run + " " + one.task);
    throw UsageError(fmt::format("{} tasks of run {} wait for a decision", waiting.size(), id),
                     fmt::format("name one, RUN TASK: {}", fmt::join(each, ", ")));
}

int decide(Cli& cli, const std::string& id, const std::string& task, const Json& decision) {
    if (task.empty()) {
        const auto only = waiting_task(cli.api(), id);
        return decide(cli, only.run, only.task, decision);
    }
    try {
        return act(cli, fmt::format("/api/v1/runs/{}/tasks/{}/approve", url_encoded(id), url_encoded(task)), decision);
    } catch (ApiError& error) {
        suggest_task(cli.api(), id, task, error);
        throw;
    }
}

struct RerunArguments {
    std::string id, task, key, plan = "newest";
    std::vector<std::string> params;
    bool failed = false, wait = false;
    std::int64_t allow_deletes = 0;
};

int rerun(Cli& cli, const RerunArguments& arguments) {
    Json body = {{"from", arguments.failed ? "failed" : "start"}};
    if (!arguments.task.empty()) body = {{"from", "task"}, {"task", arguments.task}};
    if (arguments.allow_deletes > 0) body["allow_deletes"] = arguments.allow_deletes;
    const auto api = cli.api();
    cli.say_whose_answer();
    const auto old = api.get("/api/v1/runs/" + url_encoded(arguments.id));
    const auto deployed = api.get("/api/v1/flows/" + url_encoded(text_of(old, "flow")));
    const bool is_newest = arguments.plan == "newest";
    if (is_newest) note_file_ahead(cli, deployed);
    if (!arguments.params.empty())
        body["params"] = is_newest ? params_of(deployed, arguments.params) : params_of_pinned(old, deployed, arguments.params);
    body["plan"] = arguments.plan;
    if (!arguments.key.empty()) body["idempotency_key"] = arguments.key;
    Json run;
    try {
        run = api.post("/api/v1/runs/" + url_encoded(arguments.id) + "/rerun", body);
    } catch (ApiError& error) {
        suggest_task(api, arguments.id, arguments.task, error);
        throw;
    }
    if (!cli.json && (!arguments.wait || text_of(run, "outcome") == "existing")) std::cout << trigger_text(run) << std::endl;
    if (!arguments.wait) {
        if (cli.json) Cli::print(run);
        return exit_done;
    }
    const auto runs = follow_runs(api, {text_of(run, "id")}, cli.json ? nullptr : &std::cout, cli.out);
    if (cli.json)
        Cli::print(runs.front());
    else
        write_outcome(std::cout, cli.out, runs);
    return code_of_runs(runs);
}

void add_reading(CLI::App& runs, Cli& cli) {
    auto filter = std::make_shared<ListArguments>();
    on_call(&runs, cli, [&cli] { return list_runs(cli, {}); });
    auto* list = runs.add_subcommand("list", "Runs, newest first");
    list->add_option("--flow", filter->flow, "of this flow")->check(not_empty("--flow"))->type_name("FLOW");
    list->add_option("--state", filter->state, "in these states, with commas between")->check(not_empty("--state"))->type_name("STATE");
    list->add_option("-n,--limit", filter->limit, "how many")->capture_default_str()->check(CLI::Range(1, 500))->type_name("N");
    on_call(list, cli, [&cli, filter] { return list_runs(cli, *filter); });

    auto shown = std::make_shared<std::string>();
    auto* show = runs.add_subcommand("show", "One run: its tasks, what they did, why it failed");
    show->add_option("RUN", *shown, run_number)->required()->type_name("");
    on_call(show, cli, [&cli, shown] { return show_run(cli, *shown); });

    add_runs_logs(runs, cli);
}

void add_acting(CLI::App& runs, Cli& cli) {
    constexpr std::array<std::array<const char*, 2>, 3> simple{{{"cancel", "Stop a run"},
                                                                {"pause", "Start no more tasks of a run, which keeps its slots of limits"},
                                                                {"resume", "Let a paused run go on"}}};
    for (const auto& [name, help] : simple) {
        auto id = std::make_shared<std::string>();
        auto* command = runs.add_subcommand(name, help);
        command->add_option("RUN", *id, run_number)->required()->type_name("");
        on_call(command, cli,
                [&cli, id, verb = std::string(name)] { return act(cli, "/api/v1/runs/" + url_encoded(*id) + "/" + verb, Json::object()); });
    }
    for (const char* decision : {"approve", "reject"}) {
        struct Arguments {
            std::string id, task, comment;
        };
        auto arguments = std::make_shared<Arguments>();
        auto* command = runs.add_subcommand(decision, decision == std::string("approve") ? "Let an approval pass" : "Refuse an approval");
        command->add_option("RUN", arguments->id, run_number)->required()->type_name("");
        command->add_option("TASK", arguments->task, "the task that waits for a decision (default: the only one)")->type_name("");
        command->add_option("--comment", arguments->comment, "why")->type_name("TEXT");
        on_call(command, cli, [&cli, arguments, text = std::string(decision)] {
            return decide(cli, arguments->id, arguments->task, {{"decision", text}, {"comment", arguments->comment}});
        });
    }
    auto again = std::make_shared<RerunArguments>();
    auto* command = runs.add_subcommand("rerun", "Run again: wholly, from what failed, or from a task");
    command->add_option("RUN", again->id, run_number)->required()->type_name("");
    auto* failed = command->add_flag("--failed", again->failed, "only what did not complete");
    command->add_option("--task", again->task, "this task and everything after it")->excludes(failed)->type_name("TASK");
    command
        ->add_option("--allow-deletes", again->allow_deletes,
                     "its loads may delete that many rows of each table, whatever `max_deletes` says; for this run only")
        ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000'000'000}))
        ->type_name("ROWS");
    command->add_option("-p,--param", again->params, "a parameter with another value than it had; once for each")
        ->option_text("NAME=VALUE")
        ->allow_extra_args(false);
    command->add_option("--plan", again->plan, "newest: the flow as it is now; pinned: as it was for that run")
        ->check(CLI::IsMember({"newest", "pinned"}))
        ->capture_default_str()
        ->type_name("PLAN");
    command->add_option("--idempotency-key", again->key, "the same key never makes a second run")
        ->check(not_empty("the idempotency key"))
        ->type_name("TEXT");
    command->add_flag("--wait", again->wait, "show progress and end with the run, as `run --wait` does");
    on_call(command, cli, [&cli, again] { return rerun(cli, *again); });
}

} // namespace

void add_runs_commands(CLI::App& app, Cli& cli) {
    auto* runs = app.add_subcommand("runs", "What ran, what runs, and what to do with it");
    runs->fallthrough();
    add_reading(*runs, cli);
    add_acting(*runs, cli);
}

} // namespace millrace
