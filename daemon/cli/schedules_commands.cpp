/// `millrace schedules list | preview | pause | resume`
#include "daemon/cli/commands.hpp"

#include "daemon/cli/format.hpp"
#include "daemon/cli/project_flows.hpp"
#include "flows/cron.hpp"
#include "flows/interval.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>

namespace millrace {
namespace {

/// "user=ann, days=7"
std::string params_text(const Json& params) {
    std::string out;
    for (const auto& [name, value] : params.items())
        out += fmt::format("{}{}={}", out.empty() ? "" : ", ", name, value.is_string() ? value.get<std::string>() : value.dump());
    return out;
}

int list_schedules(Cli& cli) {
    const auto schedules = cli.api().list("/api/v1/schedules");
    if (cli.json) {
        Cli::print(schedules);
        return exit_done;
    }
    TextTable table({{"flow"}, {"schedule"}, {"zone"}, {"next"}, {"params"}});
    for (const auto& schedule : schedules) {
        const auto cron = text_of(schedule, "cron");
        const auto rest = rest_text(schedule);
        const auto next = time_text_in(text_of(schedule, "timezone"), text_of(schedule, "next"));
        table.add({text_of(schedule, "flow"),
                   cron.empty() ? "every " + text_of(schedule, "every") : cron,
                   text_of(schedule, "timezone"),
                   {rest.empty() ? next : rest, rest.empty() ? Paint::None : Paint::Yellow},
                   params_text(schedule.value("params", Json::object()))});
    }
    if (table.is_empty())
        std::cout << "No deployed flow has a schedule.\n";
    else
        table.write(std::cout, cli.out);
    return exit_done;
}

/// The plans to preview: of a file, or of the flow as it is deployed.
std::vector<FlowPlan> plans_of(Cli& cli, const std::string& name) {
    if (!is_flow_file(name)) return {cli.api().get("/api/v1/flows/" + url_encoded(name) + "/plan").get<FlowPlan>()};
    auto result = compile_named_files(cli.configuration(), {name});
    write_diagnostics(std::cerr, cli.err, result.diagnostics);
    std::vector<FlowPlan> plans;
    for (auto& flow : result.flows) plans.push_back(std::move(flow.plan));
    return plans;
}

struct PlannedFiring {
    Firing firing;
    Instant starts; ///< with the schedule's jitter
    const ScheduleSpec* schedule;
};

std::string schedule_text(const ScheduleSpec& schedule) {
    return schedule.cron.empty() ? "every " + to_text(schedule.every) : schedule.cron;
}

std::vector<PlannedFiring> firings_of(const FlowPlan& plan, Instant after, int count) {
    std::vector<PlannedFiring> all;
    for (const auto& schedule : plan.schedules) {
        auto firings = next_firings(schedule, after, count + 1); // the last bounds the jitter of the one before it
        for (std::size_t i = 0; i < firings.size() && i < static_cast<std::size_t>(count); ++i) {
            const auto following = i + 1 < firings.size() ? std::optional(firings[i + 1].at) : std::nullopt;
            all.push_back({firings[i], with_jitter(plan.name, schedule, firings[i].at, following), &schedule});
        }
    }
    std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.firing.at < b.firing.at; });
    if (all.size() > static_cast<std::size_t>(count)) all.resize(static_cast<std::size_t>(count));
    return all;
}

/// Why the schedules of a deployed flow start nothing: somebody holds them, or its file is gone. Empty: they do.
std::string reason_to_rest(const Json& flow) {
    return flow.value("archived", false) ? "archived" : flow.value("paused", false) ? "paused" : "";
}

/// Why this one of its schedules starts nothing, where the others may: its file says so, its runs failed, or the daemon lacks its
/// time zone. Empty: it does.
std::string reason_to_rest(const Json& flow, const FlowPlan& plan, const ScheduleSpec& schedule) {
    if (schedule.paused) return paused_text(Json{{"paused_in_file", true}});
    const auto schedules = list_of(flow, "schedules");
    const auto number = static_cast<std::size_t>(&schedule - plan.schedules.data());
    if (number >= schedules.size()) return "";
    return number_of(schedules[number], "paused_after_failures") > 0 ? paused_text(schedules[number])
                                                                     : text_of(schedules[number], "message");
}

int preview(Cli& cli, const std::string& name, int count, const std::string& from) {
    const auto plans = plans_of(cli, name);
    if (plans.empty()) return exit_failed;
    const Json flow = is_flow_file(name) ? Json::object() : cli.api().get("/api/v1/flows/" + url_encoded(name));
    const auto rest = reason_to_rest(flow);
    bool by_file = false, by_failures = false;
    Json items = Json::array();
    const bool several = std::any_of(plans.begin(), plans.end(), [](const auto& plan) { return plan.schedules.size() > 1; });
    TextTable table(several ? std::vector<TextTable::Column>{{"at (UTC)"}, {"local"}, {"zone"}, {"schedule"}, {"params"}, {"note"}}
                            : std::vector<TextTable::Column>{{"at (UTC)"}, {"local"}, {"zone"}, {"note"}});
    for (const auto& plan : plans) {
        Instant after = now();
        try {
            // an instant that is itself a firing belongs to the preview
            if (!from.empty()) after = parse_date_or_instant(from, plan.timezone) - std::chrono::microseconds(1);
        } catch (const std::invalid_argument& error) {
            throw UsageError(fmt::format("--from: {}", error.what()));
        }
        for (const auto& [firing, starts, schedule] : firings_of(plan, after, count)) {
            const auto own_rest = reason_to_rest(flow, plan, *schedule);
            const bool is_held = own_rest.starts_with("paused ("); // not by what its daemon lacks
            items.push_back({{"at", to_rfc3339(firing.at)},
                             {"local", firing.local},
                             {"starts", to_rfc3339(starts)},
                             {"zone", schedule->timezone},
                             {"schedule", schedule_text(*schedule)},
                             {"params", schedule->params},
                             {"note", firing.note},
                             {"paused", !rest.empty() || !own_rest.empty()}});
            auto note = own_rest.empty() || rest == "archived" ? rest : own_rest;
            const auto delay = std::chrono::duration<double>(starts - firing.at).count();
            for (const auto& more : {firing.note, delay >= 1 ? "starts " + duration_text(delay) + " later (jitter)" : ""})
                if (!more.empty()) note += (note.empty() ? "" : "; ") + more;
            std::vector<TextTable::Cell> line = {to_rfc3339(firing.at), firing.local, schedule->timezone};
            if (several) line.insert(line.end(), {schedule_text(*schedule), params_text(schedule->params)});
            line.emplace_back(note, Paint::Yellow);
            table.add(std::move(line));
            by_file = by_file || schedule->paused;
            by_failures = by_failures || (!schedule->paused && is_held);
        }
    }
    if (cli.json)
        Cli::print(items);
    else if (table.is_empty())
        std::cout << fmt::format("{} has no schedule that fires.\n", plans.front().name);
    else
        table.write(std::cout, cli.out);
    if (cli.json || table.is_empty()) return exit_done;
    if (by_file) std::cout << "What is paused (file) starts no run: `paused: true` stands in the flow's file.\n";
    if (by_failures && rest.empty())
        std::cout << fmt::format("What is paused after failures starts no run until: millrace schedules resume {}\n", name);
    if (rest == "archived") std::cout << fmt::format("{} is archived: its file is gone, and it runs no more.\n", name);
    if (rest == "paused")
        std::cout << fmt::format("The schedules of {} are paused and start no run until: millrace schedules resume {}\n", name, name);
    return exit_done;
}

/// What holding or letting go did, for people.
void tell_hold(Cli& cli, const std::string& flow, bool paused) {
    const auto schedules = cli.api().get("/api/v1/flows/" + url_encoded(flow) + "/plan").get<FlowPlan>().schedules;
    if (schedules.empty()) {
        std::cout << fmt::format("{} has no schedule{}.\n", flow, paused ? "; one that it gets later is paused too" : "");
        return;
    }
    const auto all = std::ssize(schedules);
    const auto by_file =
        paused ? 0 : std::count_if(schedules.begin(), schedules.end(), [](const auto& schedule) { return schedule.paused; });
    const auto what = all == 1 ? "The schedule of " + flow + " is" : "The schedules of " + flow + " are";
    if (by_file == 0) {
        std::cout << fmt::format("{} {}.\n", what, paused ? "paused" : "active");
        return;
    }
    std::cout << (by_file == all ? what + " still paused"
                                 : fmt::format("{} of the {} schedules of {} are still paused", by_file, all, flow))
              << " by `paused: true` in the flow's file: take that out and deploy.\n";
}

int hold(Cli& cli, const std::string& flow, bool paused) {
    const auto document = cli.api().patch("/api/v1/schedules/" + url_encoded(flow), {{"paused", paused}});
    if (cli.json)
        Cli::print(document);
    else
        tell_hold(cli, flow, paused);
    return exit_done;
}

} // namespace

void add_schedules_commands(CLI::App& app, Cli& cli) {
    auto* schedules = app.add_subcommand("schedules", "When flows run");
    schedules->fallthrough();
    on_call(schedules, cli, [&cli] { return list_schedules(cli); });
    on_call(schedules->add_subcommand("list", "Schedules of the deployed flows and their next start"), cli,
            [&cli] { return list_schedules(cli); });

    struct Arguments {
        std::string name, from;
        int count = 10;
    };
    auto arguments = std::make_shared<Arguments>();
    auto* command = schedules->add_subcommand("preview", "The next starts, with the reason of odd ones; a file needs no daemon");
    command->add_option("FLOW|FILE", arguments->name, "a deployed flow, or a path that ends in .yaml")->required()->type_name("");
    command->add_option("-n", arguments->count, "how many")->capture_default_str()->check(CLI::Range(1, 10000))->type_name("N");
    command->add_option("--from", arguments->from, "from this instant on: a date or RFC 3339 (default: now)")->type_name("INSTANT");
    on_call(command, cli, [&cli, arguments] { return preview(cli, arguments->name, arguments->count, arguments->from); });

    for (const bool paused : {true, false}) {
        auto flow = std::make_shared<std::string>();
        auto* change =
            schedules->add_subcommand(paused ? "pause" : "resume", paused ? "Hold the schedules of a flow" : "Let them start runs again");
        change->add_option("FLOW", *flow, "a deployed flow")->required()->type_name("");
        on_call(change, cli, [&cli, flow, paused] { return hold(cli, *flow, paused); });
    }
}

} // namespace millrace
