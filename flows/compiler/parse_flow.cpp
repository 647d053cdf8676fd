#include "flows/compiler/check_schedules.hpp"
#include "flows/compiler/draft.hpp"
#include "flows/compiler/parse_expect.hpp"
#include "flows/compiler/parse_interval.hpp"
#include "flows/compiler/policies.hpp"
#include "flows/cron.hpp"
#include "flows/grammar/flow_tables.hpp"
#include "flows/grammar/form.hpp"
#include "flows/interval.hpp"
#include "flows/nearest.hpp"
#include "flows/substitute.hpp"
#include "flows/zone.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace millrace {
namespace {

class FlowParser {
public:
    FlowParser(const YamlNode& root, Diagnostics& diagnostics)
        : form_(root, {&flow_table}, "the flow", diagnostics), diagnostics_(diagnostics) {}

    Draft parse() {
        auto& plan = draft_.plan;
        plan.name = form_.text("flow");
        draft_.name_mark = form_.get("flow") != nullptr ? form_.get("flow")->mark : form_.node().mark;
        plan.description = form_.text("description");
        plan.owner = form_.text("owner");
        plan.tags = form_.texts("tags");
        plan.overlap = form_.text("overlap", "queue");
        plan.timeout = parse_timeout(form_, 0, diagnostics_);
        plan.priority = form_.text("priority", "normal");
        plan.retry = parse_retry(form_, "retry", RetryPolicy{}, diagnostics_);
        plan.limits = parse_limits(form_, draft_.limit_marks);
        parse_params();
        parse_schedules();
        if (const auto* tasks = form_.get("tasks")) {
            if (tasks->entries.empty()) diagnostics_.error(tasks->mark, "the flow has no tasks", "tasks: {pause: {wait: 1s}}, for example");
            parse_tasks(*tasks, form_.get("defaults"), draft_, diagnostics_);
        }
        parse_triggers();
        if (const auto* interval = form_.get("interval")) plan.interval = parse_interval(*interval, draft_, diagnostics_);
        if (const auto* expect = form_.get("expect")) plan.expect = parse_expect(*expect, draft_, diagnostics_);
        return std::move(draft_);
    }

private:
    void parse_params() {
        const auto* params = form_.get("params");
        if (params == nullptr) return;
        constexpr std::array built_in{"run_at", "interval_start", "interval_end", "interval_start_date", "interval_end_date"};
        for (const auto& entry : params->entries) {
            if (const auto why = name_mistake(entry.key); !why.empty()) diagnostics_.error(entry.mark, why, name_rule(entry.key));
            if (std::find(built_in.begin(), built_in.end(), entry.key) != built_in.end())
                diagnostics_.error(entry.mark, fmt::format("'{}' already has a meaning in SQL", entry.key), "choose another name");
            draft_.plan.params.push_back(parse_param(entry));
            draft_.param_marks[entry.key] = entry.mark;
        }
    }

    ParamSpec parse_param(const YamlEntry& entry) {
        const Form form(entry.value, {&param_table}, fmt::format("the parameter '{}'", entry.key), diagnostics_);
        ParamSpec param;
        param.name = entry.key;
        param.type = form.text("type", "text");
        if (const auto* type = form.node().is_map() ? form.node().find("type") : nullptr; type != nullptr && form.get("type") == nullptr) {
            if (const auto meant = our_word_for(type->value.text, {"text", "int", "decimal", "bool", "list", "timestamptz"});
                !meant.empty())
                param.type = meant;
            return param; // what else is said of it depends on the type
        }
        param.enumeration = form.texts("enum");
        param.min = bound(form, "min", param.type);
        param.max = bound(form, "max", param.type);
        if (param.min && param.max && *param.min > *param.max)
            diagnostics_.error(form.get("max")->mark, "`max` is less than `min`, so no value is good");
        param.required = form.flag("required", false);
        check_enumeration(form, param);
        if (const auto* value = form.get("default"); value != nullptr && !value->is_null()) {
            param.default_value = param_value(param, *value);
            if (param.required)
                diagnostics_.warning(form.key_mark("required"),
                                     fmt::format("'{}' has a default, so nobody is ever asked for it", entry.key),
                                     "remove `required` or `default`");
        }
        return param;
    }

    void check_enumeration(const Form& form, const ParamSpec& param) {
        const auto* values = form.get("enum");
        if (values == nullptr) return;
        if (param.enumeration.empty())
            diagnostics_.error(values->mark, "`enum` allows no value at all", "list the values, or leave it out");
        if (param.type == "list") return;
        auto any = param;
        any.enumeration.clear();
        for (const auto* value : elements(*values)) {
            std::string why;
            (void)typed_param(any, *value, why);
            if (!why.empty()) diagnostics_.error(value->mark, "in `enum` " + why);
        }
    }

    std::optional<double> bound(const Form& form, const char* key, const std::string& type) {
        const auto* value = form.get(key);
        if (value == nullptr) return std::nullopt;
        const auto json = to_json_value(*value);
        if ((type == "int" || type == "decimal") && json.is_number()) return json.get<double>();
        diagnostics_.error(value->mark, type == "int" || type == "decimal"
                                            ? fmt::format("`{}` takes a number", key)
                                            : fmt::format("`{}` is for numbers, and this parameter is of type {}", key, type));
        return std::nullopt;
    }

    /// The value in its JSON form, after checks; a text with `${}` is checked when a run begins.
    Json param_value(const ParamSpec& param, const YamlNode& value, bool of_schedule = false) {
        if (value.is_scalar() && value.text.find("${") != std::string::npos) {
            draft_.param_defaults.push_back({{&value, false}, of_schedule ? 0 : draft_.plan.params.size()});
            return value.text;
        }
        std::string why;
        const auto json = typed_param(param, value, why);
        if (!why.empty())
            diagnostics_.error(value.mark, why,
                               param.enumeration.empty() || !value.is_scalar() ? "" : did_you_mean(value.text, param.enumeration));
        return json;
    }

    void parse_schedules() {
        const auto* node = form_.get("schedule");
        if (node == nullptr) return;
        if (node->is_map()) draft_.plan.schedules.push_back(parse_schedule(*node));
        for (const auto& item : node->items) draft_.plan.schedules.push_back(parse_schedule(item));
        if (draft_.plan.schedules.empty()) return;
        if (!diagnostics_.has_errors()) warn_of_schedules(*node);
        draft_.plan.timezone = draft_.plan.schedules.front().timezone;
        for (std::size_t i = 1; i < draft_.plan.schedules.size(); ++i)
            if (draft_.plan.schedules[i].timezone != draft_.plan.timezone)
                diagnostics_.warning(
                    node->items[i].mark,
                    fmt::format("the days of every run, and the clock of its SQL, are those of the first schedule's zone, {}",
                                draft_.plan.timezone),
                    "give all its schedules one `timezone`, or write a flow for each zone");
    }

    void warn_of_schedules(const YamlNode& node) {
        const auto& schedules = draft_.plan.schedules;
        for (std::size_t i = 0; i < schedules.size(); ++i)
            warn_of_schedule(node.is_map() ? node : node.items[i], schedules[i], diagnostics_);
        if (node.is_list()) warn_of_same_schedules(node, schedules, diagnostics_);
    }

    ScheduleSpec parse_schedule(const YamlNode& node) {
        const Form form(node, {&schedule_table}, "the schedule", diagnostics_);
        ScheduleSpec schedule;
        schedule.cron = form.text("cron");
        schedule.every = form.span("every");
        schedule.jitter_seconds = form.seconds("jitter").value_or(0);
        schedule.missed_seconds = form.seconds("missed_within").value_or(0);
        schedule.missed = form.text("missed", "last");
        if (const auto* within = form.get("missed_within"); within != nullptr && schedule.missed == "none")
            diagnostics_.error(within->mark, "`missed: none` starts none of them, however short ago they passed",
                               "leave one of the two out");
        schedule.paused = form.flag("paused", false);
        if (const auto failures = form.whole("pause_after")) {
            if (*failures < 1 || *failures > 1000)
                diagnostics_.error(form.get("pause_after")->mark, "`pause_after` is 1 to 1000 runs in a row",
                                   "leave it out, or write 3, for example");
            else
                schedule.pause_after = static_cast<int>(*failures);
        }
        if (const auto* zone = form.get("timezone"))
            schedule.timezone = checked([&] { (void)find_zone(zone->text); }, zone->mark) ? zone->text : "UTC";
        if (const auto* cron = form.get("cron");
            cron != nullptr && checked([&] { (void)CronExpression::parse(cron->text); }, cron->mark) && !ever_fires(cron->text))
            diagnostics_.error(cron->mark, fmt::format("'{}' never fires: no month has such a day", cron->text));
        if (node.is_map() && (node.find("cron") == nullptr) == (node.find("every") == nullptr))
            diagnostics_.error(node.mark, "a schedule has either `cron` or `every`", "{cron: \"0 6 * * *\"} or {every: 15m}");
        if (const auto* every = form.get("every"); every != nullptr && schedule.every.is_zero())
            diagnostics_.error(every->mark, "a schedule cannot recur after no time at all");
        if (const auto* start = form.get("start")) schedule.start = to_rfc3339(parse_date_or_instant(start->text, schedule.timezone));
        if (const auto* end = form.get("end")) {
            schedule.end = to_rfc3339(parse_date_or_instant(end->text, schedule.timezone));
            if (!schedule.start.empty() && *parse_rfc3339(schedule.end) <= *parse_rfc3339(schedule.start))
                diagnostics_.error(end->mark, "the schedule ends before it starts");
        }
        if (const auto* dst = form.get("dst")) {
            const Form policy(*dst, {&dst_table}, "`dst`", diagnostics_);
            schedule.dst = {policy.text("gap", "after"), policy.text("overlap", "first")};
        }
        parse_schedule_params(form, schedule);
        return schedule;
    }

    void parse_triggers() {
        const auto* node = form_.get("triggers");
        if (node == nullptr) return;
        for (const auto& item : node->items) {
            const Form form(item, {&trigger_table}, "the trigger", diagnostics_);
            const auto* flow = form.get("flow");
            if (flow == nullptr) continue;
            draft_.plan.triggers.push_back({flow->text, form.text("state", "completed")});
            draft_.trigger_marks.push_back(flow->mark);
        }
        for (const auto& param : draft_.plan.params)
            if (!draft_.plan.triggers.empty() && param.required && param.default_value.is_null())
                diagnostics_.error(draft_.param_marks.at(param.name),
                                   fmt::format("a trigger gives no parameters, and '{}' is required", param.name), "give it a `default`");
    }

    static bool ever_fires(const std::string& cron) {
        ScheduleSpec schedule;
        schedule.cron = cron;
        return next_firing(schedule, Instant{}).has_value();
    }

    void parse_schedule_params(const Form& form, ScheduleSpec& schedule) {
        std::vector<std::string> names;
        for (const auto& param : draft_.plan.params) names.push_back(param.name);
        if (const auto* params = form.get("params"))
            for (const auto& entry : params->entries) {
                if (const auto* param = draft_.param(entry.key))
                    schedule.params[entry.key] = param_value(*param, entry.value, true);
                else
                    diagnostics_.error(entry.mark, fmt::format("the flow has no parameter '{}'", entry.key),
                                       did_you_mean(entry.key, names, "declare it under `params:`"));
            }
        for (const auto& param : draft_.plan.params)
            if (param.required && param.default_value.is_null() && !schedule.params.contains(param.name))
                diagnostics_.error(form.node().mark, fmt::format("the schedule does not give the required parameter '{}'", param.name),
                                   fmt::format("params: {{{}: ...}}", param.name));
    }

    /// Runs a parser that throws; false, after an error, when it did.
    template <class Parse>
    bool checked(const Parse& parse, Mark mark) {
        try {
            parse();
            return true;
        } catch (const std::invalid_argument& e) {
            diagnostics_.error_of(mark, e.what());
            return false;
        }
    }

    Form form_;
    Diagnostics& diagnostics_;
    Draft draft_;
};

} // namespace

std::string did_you_mean(const std::string& name, const std::vector<std::string>& known, const std::string& otherwise) {
    const auto near = nearest(name, known);
    if (!near.empty()) return "did you mean '" + near + "'?";
    if (!otherwise.empty() || known.empty() || known.size() > 12) return otherwise;
    return fmt::format("there {} {}", known.size() == 1 ? "is only" : "are", fmt::join(known, ", "));
}

Draft parse_flow(const YamlNode& root, Diagnostics& diagnostics) {
    if (root.is_null()) {
        diagnostics.error({}, "the file holds no flow", "flow: NAME, and tasks: {NAME: TASK}");
        return {};
    }
    return FlowParser(root, diagnostics).parse();
}

} // namespace millrace
