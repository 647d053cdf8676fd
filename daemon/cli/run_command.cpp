/// `millrace run FLOW...`
#include "daemon/cli/commands.hpp"

#include "daemon/cli/flow_arguments.hpp"
#include "daemon/cli/follow_runs.hpp"
#include "daemon/cli/format.hpp"
#include "daemon/cli/project_flows.hpp"

#include <fmt/format.h>

#include <iostream>

namespace millrace {
namespace {

struct RunArguments {
    std::vector<std::string> flows, params;
    std::string from, to, key;
    std::int64_t limit_rows = 0;
    bool cut_steps = false;
    bool full_refresh = false, wait = false;
};

Json request_of(const Json& flow, const RunArguments& arguments) {
    Json request = {{"params", params_of(flow, arguments.params)}};
    const bool is_of_an_interval = !arguments.from.empty() || !arguments.to.empty();
    if (is_of_an_interval && !flow.value("interval", true))
        throw UsageError(fmt::format("flow {} has no `interval`, so it takes no --from and --to", text_of(flow, "name")),
                         "add `interval: {every: 1d}` to it");
    if (arguments.from.empty() != arguments.to.empty())
        throw UsageError("--from and --to go together", "give both, or none for the flow's own interval");
    if (!arguments.from.empty()) request["interval"] = {{"start", arguments.from}, {"end", arguments.to}};
    if (!arguments.key.empty()) request["idempotency_key"] = arguments.key;
    if (arguments.cut_steps) request["cut_steps"] = true;
    if (arguments.limit_rows > 0) request["limit_rows"] = arguments.limit_rows;
    return request;
}

int run_flows(Cli& cli, const RunArguments& arguments) {
    if (arguments.full_refresh)
        throw UsageError("--full-refresh is not available yet", "leave it out: no run is incremental yet, each reads all that it asks for");
    const auto api = cli.api();
    cli.say_whose_answer();
    Json started = Json::array();
    std::vector<std::string> ids;
    std::vector<std::pair<std::string, Json>> requests; // all are made before the first is sent
    for (const auto& document : flows_named(api, arguments.flows, arguments.params)) {
        requests.emplace_back(text_of(document, "name"), request_of(document, arguments));
        note_file_ahead(cli, document);
    }
    for (const auto& [flow, request] : requests) {
        auto run = api.post("/api/v1/flows/" + url_encoded(flow) + "/runs", request);
        ids.push_back(text_of(run, "id"));
        if (!cli.json && (!arguments.wait || text_of(run, "outcome") == "existing")) std::cout << trigger_text(run) << std::endl;
        started.push_back(std::move(run));
    }
    if (!arguments.wait) {
        if (cli.json) Cli::print(started.size() == 1 ? started.front() : started);
        return exit_done;
    }
    const auto runs = follow_runs(api, ids, cli.json ? nullptr : &std::cout, cli.out);
    if (cli.json)
        Cli::print(runs.size() == 1 ? runs.front() : Json(runs));
    else
        write_outcome(std::cout, cli.out, runs);
    return code_of_runs(runs);
}

const CLI::Validator whole_number(
    [](const std::string& text) {
        const bool digits = !text.empty() && text.size() <= 18 && text.find_first_not_of("0123456789") == std::string::npos;
        return digits && std::stoll(text) > 0 ? std::string() : "'" + text + "' is no whole number from 1 on";
    },
    "", "whole number");

} // namespace

void add_run_command(CLI::App& app, Cli& cli) {
    auto arguments = std::make_shared<RunArguments>();
    auto* run = app.add_subcommand("run", "Start a run of each flow");
    run->add_option("FLOW", arguments->flows, "deployed flows")->required()->type_name("");
    run->add_option("-p,--param", arguments->params, "a parameter; once for each")->option_text("NAME=VALUE")->allow_extra_args(false);
    run->add_option("--from", arguments->from, "start of the interval, inclusive: a date or RFC 3339")->type_name("TIME");
    run->add_option("--to", arguments->to, "end of the interval, exclusive")->type_name("TIME");
    run->add_flag(
        "--cut-steps", arguments->cut_steps,
        "run an interval that is not made of whole steps of the flow's `every`: without it that is refused where loads replace rows");
    run->add_option("--limit-rows", arguments->limit_rows,
                    "a trial: each extract reads at most so many rows, and loads go into the schema millrace_scratch")
        ->type_name("N")
        ->check(whole_number);
    run->add_flag("--full-refresh", arguments->full_refresh)->group(""); // not offered before extracts are incremental
    run->add_option("--idempotency-key", arguments->key, "the same key never makes a second run")
        ->check(not_empty("the idempotency key"))
        ->type_name("TEXT");
    run->add_flag(
        "--wait", arguments->wait,
        "show progress and end with the run: 0 completed or skipped, 1 failed, 4 cancelled, 3 after 5 minutes without the daemon; "
        "Ctrl-C and SIGTERM cancel it, SIGHUP leaves it to the daemon");
    on_call(run, cli, [&cli, arguments] { return run_flows(cli, *arguments); });
}

} // namespace millrace
