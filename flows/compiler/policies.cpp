#include "flows/compiler/policies.hpp"

#include "flows/decimal_param.hpp"
#include "flows/grammar/flow_tables.hpp"
#include "flows/interval.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace millrace {
namespace {

/// Why the value is none of the enumeration or outside of the bounds, empty when it is fine.
std::string range_mistake(const ParamSpec& param, const Json& value, const std::string& text) {
    if (!param.enumeration.empty() && std::find(param.enumeration.begin(), param.enumeration.end(), text) == param.enumeration.end())
        return fmt::format("'{}' is not one of the values of '{}': {}", text, param.name, fmt::join(param.enumeration, ", "));
    if (!value.is_number() && param.type != "decimal") return {};
    const double number = value.is_number() ? value.get<double>() : std::strtod(text.c_str(), nullptr);
    if (param.min && number < *param.min) return fmt::format("{} is less than the minimum of '{}', {}", text, param.name, *param.min);
    if (param.max && number > *param.max) return fmt::format("{} is more than the maximum of '{}', {}", text, param.name, *param.max);
    return {};
}

} // namespace

RetryPolicy usual_retry(Verb verb) { return verb == Verb::Extract || verb == Verb::Load ? retry_over_outages() : RetryPolicy{}; }

RetryPolicy retry_over_outages() {
    RetryPolicy policy;
    policy.attempts = 3;
    policy.delay = 5;
    policy.for_classes = {"transient", "rate_limited"};
    return policy;
}

RetryPolicy parse_retry(const Form& form, std::string_view key, const RetryPolicy& fallback, Diagnostics& diagnostics) {
    const auto* node = form.get(key);
    if (node == nullptr) return fallback;
    RetryPolicy retry;
    if (node->is_scalar()) {
        retry.attempts = static_cast<int>(std::min<std::int64_t>(form.whole(key).value_or(1), 1000));
    } else {
        const Form policy(*node, {&retry_table}, "the retry policy", diagnostics);
        retry.attempts = static_cast<int>(std::min<std::int64_t>(policy.whole("attempts").value_or(3), 1000));
        retry.delay = policy.seconds("delay").value_or(retry.delay);
        if (policy.get("delay") != nullptr && policy.seconds("max_delay").value_or(retry.delay) < retry.delay)
            diagnostics.error(policy.get("max_delay")->mark, "`max_delay` is shorter than `delay`",
                              "the first delay is `delay`; doubled, it grows to `max_delay`");
        retry.max_delay = std::max(policy.seconds("max_delay").value_or(retry.max_delay), retry.delay);
        retry.exponential = policy.text("backoff", "exponential") == "exponential";
        retry.jitter_percent = policy.percent("jitter").value_or(retry.jitter_percent);
        retry.within = policy.seconds("within").value_or(0);
        if (policy.get("within") != nullptr && retry.within <= retry.delay)
            diagnostics.error(policy.get("within")->mark,
                              fmt::format("no second attempt begins within {}, for the `delay` before it is {}", policy.get("within")->text,
                                          span_text(retry.delay)),
                              "`within` counts from the first attempt; `retry: 1` means: no second one");
        if (policy.get("for") != nullptr) retry.for_classes = policy.texts("for");
    }
    if (retry.attempts < 1) diagnostics.error(node->mark, "no attempts at all would never run", "1 means: no second attempt");
    return retry;
}

double parse_timeout(const Form& form, double fallback, Diagnostics& diagnostics) {
    const auto seconds = form.seconds("timeout");
    if (seconds && *seconds == 0)
        diagnostics.error(form.get("timeout")->mark, "a timeout of no time lets nothing run", "leave it out where there is none");
    return seconds.value_or(fallback);
}

std::vector<SlotDemand> parse_limits(const Form& form, std::vector<std::pair<SlotDemand, Mark>>& marks) {
    std::vector<SlotDemand> demands;
    if (const auto* limits = form.get("limits"))
        for (const auto& entry : limits->entries) {
            demands.push_back({entry.key, static_cast<int>(std::min(std::strtol(entry.value.text.c_str(), nullptr, 10), 1'000'000L))});
            marks.emplace_back(demands.back(), entry.mark);
        }
    return demands;
}

Json typed_param(const ParamSpec& param, const YamlNode& value, std::string& why) {
    const auto refuse = [&](const char* what) {
        why = fmt::format("'{}' is of type {}: write {}", param.name, param.type, what);
        return Json();
    };
    const auto json = to_json_value(value);
    if (param.type == "list") {
        if (!json.is_array()) return refuse("a list");
        for (const auto* element : elements(value))
            if (why.empty()) why = range_mistake(param, Json(), element->text);
        return json;
    }
    if (!value.is_scalar()) return refuse("one value");
    if (param.type == "date" || param.type == "timestamptz")
        if (const auto no_day = missing_day(value.text); !no_day.empty()) {
            why = fmt::format("'{}': {}", param.name, no_day);
            return {};
        }
    if (param.type == "int" && !json.is_number_integer()) return refuse("a whole number");
    if (param.type == "bool" && !json.is_boolean()) return refuse("true or false");
    if (param.type == "decimal")
        if (const auto mistake = decimal_mistake(value.text); !mistake.empty()) {
            why = fmt::format("'{}' is of type decimal: '{}' {}", param.name, value.text, mistake);
            return {};
        }
    if (param.type == "date" && (value.text.size() != 10 || !parse_rfc3339(value.text + "T00:00:00Z")))
        return refuse("a date such as 2026-11-20");
    if (param.type == "timestamptz" && !parse_rfc3339(value.text) && (value.text.size() != 10 || !parse_rfc3339(value.text + "T00:00:00Z")))
        return refuse("a date or an instant such as 2026-11-20T06:00:00Z");
    why = range_mistake(param, json, value.text);
    return param.type == "int" || param.type == "bool" ? json : Json(value.text);
}

} // namespace millrace
