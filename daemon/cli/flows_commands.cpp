/// `millrace flows list | show | validate | plan | schema`
#include "daemon/cli/commands.hpp"

#include "daemon/cli/format.hpp"
#include "daemon/cli/project_flows.hpp"
#include "daemon/cli/told_lately.hpp"
#include "flows/grammar/schema.hpp"
#include "flows/interval.hpp"
#include "flows/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>

namespace millrace {
namespace {

/// Where none of them fires, the column of the next start says why they rest.
std::string schedule_text(const Json& schedules) {
    const bool some_fire =
        std::any_of(schedules.begin(), schedules.end(), [](const Json& schedule) { return rest_text(schedule).empty(); });
    std::string text;
    for (const auto& schedule : schedules) {
        const auto cron = text_of(schedule, "cron"), every = text_of(schedule, "every");
        const auto zone = text_of(schedule, "timezone"), rest = rest_text(schedule);
        text += (text.empty() ? "" : "; ") + (cron.empty() ? "every " + every : cron) + (zone.empty() || zone == "UTC" ? "" : " " + zone) +
                (some_fire && !rest.empty() ? ", " + rest : "");
    }
    return text.empty() ? "-" : text;
}

/// What is not as flows expect, a line for each.
void tell_attention(const Cli& cli, const Json& flows) {
    for (const auto& flow : flows)
        for (const auto& one : list_of(flow, "attention"))
            std::cout << cli.out.painted(attention_text(text_of(flow, "name"), one), Paint::Yellow) << '\n';
}

enum class Archived { Hidden, Shown };

int list_flows(Cli& cli, Archived archived) {
    Json flows = Json::array();
    std::size_t hidden = 0;
    for (auto& flow : cli.api().list("/api/v1/flows"))
        if (archived == Archived::Hidden && flow.value("archived", false))
            ++hidden;
        else
            flows.push_back(std::move(flow));
    if (cli.json) {
        Cli::print(flows);
        return exit_done;
    }
    using enum TextTable::Align;
    TextTable table({{"flow"}, {"last run"}, {local_title("finished"), Left, 1}, {"schedule"}, {"next"}, {"description", Left, 2}});
    for (const auto& flow : flows) {
        const auto runs = list_of(flow, "last_runs");
        const auto last = runs.empty() ? Json{{"state", "-"}} : last_begun_run(runs);
        table.add({flow_text(flow, "name"),
                   {flow.value("archived", false) ? "archived" : outcome_text(last), paint_of_run(last)},
                   runs.empty() ? "-" : local_time_text(text_of(last, "finished_at")),
                   schedule_text(list_of(flow, "schedules")),
                   next_start_text(flow),
                   text_of(flow, "description")});
    }
    if (table.is_empty())
        std::cout << "No flow is deployed. Write one (millrace init makes an example) and deploy it: millrace deploy, which also tells "
                     "mistakes\n";
    else
        table.write(std::cout, cli.out);
    tell_attention(cli, flows);
    if (hidden > 0) std::cout << fmt::format("{} archived flow{}: millrace flows list --all\n", hidden, hidden == 1 ? "" : "s");
    return exit_done;
}

/// "low, high", "1 to 10", "at least 1"; empty where any value of the type will do.
std::string values_text(const Json& param) {
    std::string values;
    for (const auto& value : list_of(param, "enumeration")) values += (values.empty() ? "" : ", ") + value.get<std::string>();
    if (!values.empty()) return values;
    const auto bound = [&](const char* member) { return fmt::format("{:g}", param.at(member).get<double>()); };
    const bool has_min = param.contains("min") && param["min"].is_number(), has_max = param.contains("max") && param["max"].is_number();
    if (has_min && has_max) return bound("min") + " to " + bound("max");
    return has_min ? "at least " + bound("min") : has_max ? "at most " + bound("max") : "";
}

int show_flow(Cli& cli, const std::string& name) {
    const auto flow = cli.api().get("/api/v1/flows/" + url_encoded(name));
    if (cli.json) {
        Cli::print(flow);
        return exit_done;
    }
    std::cout << heading_text(cli.out.painted(flow_text(flow, "name"), Paint::Bold), text_of(flow, "description")) << '\n';
    if (flow.value("archived", false))
        std::cout << cli.out.painted("archived: its file is gone, and it runs no more", Paint::Yellow) << '\n';
    std::cout << fmt::format("deployed {} {}  plan {}\n", local_time_text(text_of(flow, "deployed_at")), local_zone_text(),
                             text_of(flow, "hash").substr(0, 12));
    std::cout << fmt::format("schedule {}  next {}\n", schedule_text(list_of(flow, "schedules")), next_start_text(flow));
    tell_attention(cli, Json::array({flow}));
    if (flow.value("interval", false)) {
        const auto plan = cli.api().get("/api/v1/flows/" + url_encoded(name) + "/plan").get<FlowPlan>();
        if (plan.interval) {
            const auto interval = interval_at(*plan.interval, now(), plan.timezone);
            const Json of_a_run = {{"interval", {{"start", to_rfc3339(interval.start)}, {"end", to_rfc3339(interval.end)}}},
                                   {"timezone", plan.timezone}};
            std::cout << fmt::format("interval {} for a run now\n", interval_text(of_a_run));
        }
    }
    TextTable params({{"parameter"}, {"type"}, {"default"}, {"values"}});
    for (const auto& param : list_of(flow, "params")) {
        params.add({text_of(param, "name"), text_of(param, "type"),
                    param.value("required", false) ? "(required)" : text_of(param, "default_value"), values_text(param)});
    }
    if (!params.is_empty()) {
        std::cout << '\n';
        params.write(std::cout, cli.out);
    }
    std::cout << '\n';
    TextTable tasks({{"task"}, {"verb"}, {"needs"}});
    for (const auto& task : list_of(flow, "tasks")) {
        std::string needs;
        for (const auto& need : list_of(task, "needs")) needs += (needs.empty() ? "" : ", ") + need.get<std::string>();
        tasks.add({text_of(task, "name"), text_of(task, "verb"), needs});
    }
    tasks.write(std::cout, cli.out);
    TextTable runs({{"run", TextTable::Align::Right}, {"state"}, {local_title("created")}, {local_title("finished")}});
    for (const auto& run : list_of(flow, "last_runs"))
        runs.add({text_of(run, "id"),
                  {outcome_text(run), paint_of_run(run)},
                  local_time_text(text_of(run, "created_at")),
                  local_time_text(text_of(run, "finished_at"))});
    if (!runs.is_empty()) {
        std::cout << '\n';
        runs.write(std::cout, cli.out);
    }
    write_told_lately(std::cout, cli.out, list_of(flow, "events"), name);
    return exit_done;
}

int validate_flows(Cli& cli, const std::vector<std::string>& files) {
    const auto result = compile_named_files(cli.configuration(), files);
    if (cli.json) {
        Json mistakes = result.diagnostics;
        for (auto& mistake : mistakes) mistake.erase("end"); // the form that scripts know
        Cli::print(mistakes);
    } else {
        write_diagnostics(std::cerr, cli.err, result.diagnostics);
        if (!has_errors(result.diagnostics))
            std::cout << fmt::format("{} {} valid\n", result.flows.size(), result.flows.size() == 1 ? "flow is" : "flows are");
    }
    return has_errors(result.diagnostics) ? exit_failed : exit_done;
}

int show_plan(Cli& cli, const std::string& name) {
    if (!is_flow_file(name)) {
        Cli::print(cli.api().get("/api/v1/flows/" + url_encoded(name) + "/plan"));
        return exit_done;
    }
    const auto result = compile_named_files(cli.configuration(), {name});
    write_diagnostics(std::cerr, cli.err, result.diagnostics);
    for (const auto& flow : result.flows) Cli::print(Json(flow.plan));
    return has_errors(result.diagnostics) ? exit_failed : exit_done;
}

} // namespace

void add_flows_commands(CLI::App& app, Cli& cli) {
    auto* flows = app.add_subcommand("flows", "The flows of a daemon, and flow files");
    flows->fallthrough();
    on_call(flows, cli, [&cli] { return list_flows(cli, Archived::Hidden); });

    auto* list = flows->add_subcommand("list", "Deployed flows with their last run");
    auto all = std::make_shared<bool>(false);
    list->add_flag("--all", *all, "archived flows too, whose file is gone");
    on_call(list, cli, [&cli, all] { return list_flows(cli, *all ? Archived::Shown : Archived::Hidden); });

    auto name = std::make_shared<std::string>();
    auto* show = flows->add_subcommand("show", "One flow: parameters, tasks, last runs, what its schedules left out");
    show->add_option("FLOW", *name, "a deployed flow")->required()->type_name("");
    on_call(show, cli, [&cli, name] { return show_flow(cli, *name); });

    auto files = std::make_shared<std::vector<std::string>>();
    auto* validate = flows->add_subcommand("validate", "Find every mistake in flow files; needs no daemon");
    validate->add_option("FILE", *files, "flow files or folders of them (default: the project's)")->type_name("");
    on_call(validate, cli, [&cli, files] { return validate_flows(cli, *files); });

    auto planned = std::make_shared<std::string>();
    auto* plan = flows->add_subcommand("plan", "The compiled plan of a deployed flow or of a file, as JSON");
    plan->add_option("FLOW|FILE", *planned, "a deployed flow, or a path that ends in .yaml")->required()->type_name("");
    on_call(plan, cli, [&cli, planned] { return show_plan(cli, *planned); });

    auto* schema = flows->add_subcommand("schema", "The JSON Schema of flow files, for editors");
    on_call(schema, cli, [] {
        Cli::print(flow_schema());
        return static_cast<int>(exit_done);
    });
}

} // namespace millrace
