/// `millrace backfill FLOW`
#include "daemon/cli/commands.hpp"

#include "daemon/cli/flow_arguments.hpp"
#include "daemon/cli/follow_runs.hpp"
#include "daemon/cli/format.hpp"
#include "daemon/cli/project_flows.hpp"
#include "daemon/cli/text_table.hpp"
#include "flows/counted.hpp"

#include <fmt/format.h>

#include <iostream>

namespace millrace {
namespace {

struct BackfillArguments {
    std::string flow, from, to, every, key;
    std::vector<std::string> params;
    int concurrency = 1;
    bool again = false, cut_steps = false, dry_run = false, wait = false;
};

Json request_of(const Json& flow, const BackfillArguments& arguments) {
    if (!flow.value("interval", true))
        throw UsageError(fmt::format("flow {} has no `interval`, so there is nothing to fill", arguments.flow),
                         "add `interval: {every: 1d}` to it");
    Json request = {{"flow", arguments.flow},
                    {"interval", {{"start", arguments.from}, {"end", arguments.to}}},
                    {"params", params_of(flow, arguments.params)},
                    {"concurrency", arguments.concurrency}};
    if (!arguments.every.empty()) request["every"] = arguments.every;
    if (!arguments.key.empty()) request["idempotency_key"] = arguments.key;
    if (arguments.again) request["again"] = true;
    if (arguments.cut_steps) request["cut_steps"] = true;
    if (arguments.dry_run) request["dry_run"] = true;
    return request;
}

/// What a dry run found.
void write_plan(const Json& plan, const Terminal& terminal) {
    using enum TextTable::Align;
    TextTable table({{"chunk", Right}, {"interval"}, {"completed by run", Right}});
    const auto chunks = list_of(plan, "chunks");
    for (const auto& chunk : chunks) {
        const Json shown = {{"interval", {{"start", chunk.at("start")}, {"end", chunk.at("end")}}}, {"timezone", plan.at("timezone")}};
        table.add({text_of(chunk, "number"), interval_text(shown), text_of(chunk, "completed_by")});
    }
    table.write(std::cout, terminal);
    const auto left = number_of(plan, "left"), all = static_cast<std::int64_t>(chunks.size());
    std::cout << fmt::format("\n{} of {} would run{}\n", count_text(left), counted(all, "chunk"),
                             left < all ? "; the others are left out, unless --again" : "");
}

int backfill(Cli& cli, const BackfillArguments& arguments) {
    const auto api = cli.api();
    cli.say_whose_answer();
    const auto flow = flows_named(api, {arguments.flow}, arguments.params).front();
    const auto request = request_of(flow, arguments);
    note_file_ahead(cli, flow);
    const auto answer = api.post("/api/v1/backfills", request);
    if (arguments.dry_run) {
        cli.json ? Cli::print(answer) : write_plan(answer, cli.out);
        return exit_done;
    }
    if (!arguments.wait) {
        const auto message = message_text(answer);
        if (cli.json)
            Cli::print(answer);
        else
            std::cout << fmt::format("{}{}\n  follow it: millrace runs show {}\n", trigger_text(answer),
                                     message.empty() ? "" : ": " + message, text_of(answer, "id"));
        return exit_done;
    }
    const auto runs = follow_runs(api, {text_of(answer, "id")}, cli.json ? nullptr : &std::cout, cli.out);
    if (cli.json)
        Cli::print(runs.front());
    else
        write_outcome(std::cout, cli.out, runs);
    return code_of_runs(runs);
}

} // namespace

void add_backfill_command(CLI::App& app, Cli& cli) {
    auto arguments = std::make_shared<BackfillArguments>();
    auto* command = app.add_subcommand("backfill", "Run a flow over a span of the past, in chunks");
    command->add_option("FLOW", arguments->flow, "a deployed flow with an `interval`")->required()->type_name("");
    command->add_option("--from", arguments->from, "start, inclusive: a date or RFC 3339")->required()->type_name("TIME");
    command->add_option("--to", arguments->to, "end, exclusive")->required()->type_name("TIME");
    command->add_option("--every", arguments->every, "length of a chunk, such as 1d or 1mo (default: the flow's `chunk`, else its `every`)")
        ->type_name("SPAN");
    command->add_option("--concurrency", arguments->concurrency, "chunks at once")
        ->capture_default_str()
        ->check(CLI::Range(1, 100))
        ->type_name("N");
    command->add_option("-p,--param", arguments->params, "a parameter; once for each")->option_text("NAME=VALUE")->allow_extra_args(false);
    command->add_flag("--again", arguments->again, "also the chunks that an earlier run completed");
    command->add_flag(
        "--cut-steps", arguments->cut_steps,
        "run chunks that are not made of whole steps of the flow's `every`: without it a backfill that has such is refused where "
        "loads replace rows");
    command->add_option("--idempotency-key", arguments->key, "the same key never makes a second one")
        ->check(not_empty("the idempotency key"))
        ->type_name("TEXT");
    command->add_flag("--dry-run", arguments->dry_run, "only list the chunks");
    command->add_flag("--wait", arguments->wait, "show progress and end with it, as `run --wait` does");
    on_call(command, cli, [&cli, arguments] { return backfill(cli, *arguments); });
}

} // namespace millrace
