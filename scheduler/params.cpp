#include "scheduler/params.hpp"

#include "flows/decimal_param.hpp"
#include "flows/error.hpp"
#include "flows/interval.hpp"
#include "flows/nearest.hpp"
#include "flows/time.hpp"
#include "scheduler/service.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace millrace {
namespace {

Json as_int(const Json& v) {
    if (v.is_number_unsigned() && v.get<std::uint64_t>() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
        return nullptr;
    if (v.is_number_integer()) return v;
    if (!v.is_string()) return nullptr;
    const auto text = v.get<std::string>();
    std::int64_t n = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc() || end != text.data() + text.size()) return nullptr;
    return n;
}

/// Each: the value as this type, null when it is none.
/// Decimals travel as text: a double would change them, and a number with a fraction is one already.
bool is_cut(const Json& v) {
    const auto text = v.is_number_float() ? v.dump() : "";
    return std::count_if(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(std::min(text.find('e'), text.size())),
                         [](char c) { return c >= '0' && c <= '9'; }) > std::numeric_limits<double>::digits10;
}

Json as_decimal(const Json& v) {
    if (is_cut(v)) return nullptr;
    if (v.is_number()) return v.dump();
    return v.is_string() ? v : Json();
}

Json as_bool(const Json& v) {
    if (v.is_boolean()) return v;
    if (v == "true") return true;
    if (v == "false") return false;
    return nullptr;
}

Json as_date(const Json& v) {
    if (!v.is_string() || v.get_ref<const std::string&>().size() != 10) return nullptr;
    return parse_rfc3339(v.get<std::string>() + "T00:00:00Z") ? v : Json();
}

Json as_instant(const Json& v) {
    if (!v.is_string()) return nullptr;
    if (!as_date(v).is_null()) return v.get<std::string>() + "T00:00:00Z";
    return parse_rfc3339(v.get<std::string>()) ? v : Json();
}

/// A text is taken as JSON: who separates by something else would cut values that hold it.
Json as_list(const Json& v) {
    if (v.is_array()) return v;
    if (!v.is_string()) return nullptr;
    constexpr int deepest = 64; // as bodies of requests are: nothing but brackets would overflow the stack of whoever walks it
    bool too_deep = false;
    const auto within = [&](int depth, Json::parse_event_t, Json&) {
        too_deep = too_deep || depth > deepest;
        return !too_deep;
    };
    auto list = Json::parse(v.get_ref<const std::string&>(), within, false);
    return list.is_array() && !too_deep ? list : Json();
}

Json converted(const std::string& type, const Json& v) {
    if (type == "int") return as_int(v);
    if (type == "decimal") return as_decimal(v);
    if (type == "bool") return as_bool(v);
    if (type == "date") return as_date(v);
    if (type == "timestamptz") return as_instant(v);
    if (type == "list") return as_list(v);
    return v.is_string() ? v : v.is_number() || v.is_boolean() ? Json(v.dump()) : Json();
}

/// What a date, an instant, a decimal or a list lacks; nothing for other types.
std::string why_not(const std::string& type, const Json& v) {
    if (type == "decimal" && is_cut(v)) return ": a number in JSON keeps 15 digits, send more of them as text";
    if (type == "list" && v.is_string()) return R"(: send a JSON list, or a text that is one, such as ["a", "b"])";
    if ((type != "date" && type != "timestamptz") || !v.is_string()) return {};
    try {
        (void)parse_date_or_instant(v.get<std::string>(), "UTC");
        return ": a date has no time of day";
    } catch (const std::invalid_argument& e) {
        return std::string(": ") + e.what();
    }
}

/// Commands get values in their environment, and PostgreSQL keeps them: both would cut or change such a text without a word.
bool holds_nul(const Json& v) {
    if (v.is_string()) return v.get_ref<const std::string&>().find('\0') != std::string::npos;
    return v.is_structured() && (std::any_of(v.begin(), v.end(), holds_nul) ||
                                 (v.is_object() && std::any_of(v.items().begin(), v.items().end(),
                                                               [](const auto& m) { return m.key().find('\0') != std::string::npos; })));
}

/// A limit as a person wrote it: an int's has no `.0`.
std::string limit_text(const ParamSpec& param, double limit) {
    return param.type == "int" && std::abs(limit) < 1e15 ? std::to_string(std::llround(limit)) : Json(limit).dump();
}

/// Empty when the value is within what is declared.
std::string outside(const ParamSpec& param, const Json& value) {
    if (!param.enumeration.empty()) {
        const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
        if (std::find(param.enumeration.begin(), param.enumeration.end(), text) == param.enumeration.end()) {
            std::string allowed;
            for (const auto& e : param.enumeration) allowed += (allowed.empty() ? "" : ", ") + e;
            return param.name + " is one of " + allowed + ", not " + text;
        }
    }
    if (param.type != "int" && param.type != "decimal") return {};
    if (value.is_string())
        if (const auto mistake = decimal_mistake(value.get_ref<const std::string&>()); !mistake.empty())
            return param.name + " is of type decimal, and " + Json(value).dump() + " " + mistake;
    const double n = value.is_string() ? std::strtod(value.get_ref<const std::string&>().c_str(), nullptr) : value.get<double>();
    if (param.min && n < *param.min) return param.name + " is at least " + limit_text(param, *param.min);
    if (param.max && n > *param.max) return param.name + " is at most " + limit_text(param, *param.max);
    return {};
}

/// The value in its declared type, null after a mistake.
Json checked_value(const ParamSpec& param, const Json& value, std::vector<std::string>& mistakes) {
    Json typed = converted(param.type, value);
    if (holds_nul(value) || holds_nul(typed)) { // the text of a list may only name it
        mistakes.push_back("parameter " + param.name + " holds a NUL character, which commands and the store cannot take");
        return nullptr;
    }
    if (typed.is_null()) {
        mistakes.push_back("parameter " + param.name + " is of type " + param.type + ", which " +
                           value.dump(-1, ' ', false, Json::error_handler_t::replace) + " is not" + why_not(param.type, value));
        return nullptr;
    }
    if (auto mistake = outside(param, typed); !mistake.empty()) mistakes.push_back("parameter " + mistake);
    return typed;
}

void refuse_if_any(const std::vector<std::string>& mistakes, const FlowPlan& flow) {
    if (mistakes.empty()) return;
    std::string all;
    for (const auto& m : mistakes) all += (all.empty() ? "" : "; ") + m;
    throw Refusal(Refusal::Kind::Invalid, all, "`millrace flows show " + flow.name + "` lists the parameters");
}

} // namespace

Json checked_params(const FlowPlan& flow, const Json& given) {
    Json out = Json::object();
    std::vector<std::string> mistakes;
    if (!given.is_object()) throw Refusal(Refusal::Kind::Invalid, "`params` is an object of values by name");
    for (const auto& [name, value] : given.items())
        if (std::none_of(flow.params.begin(), flow.params.end(), [&n = name](const ParamSpec& p) { return p.name == n; }))
            mistakes.push_back("flow " + flow.name + " has no parameter " + name);
    for (const auto& param : flow.params) {
        if (given.contains(param.name) && !given.at(param.name).is_null())
            out[param.name] = checked_value(param, given.at(param.name), mistakes);
        else if (param.required && param.default_value.is_null())
            mistakes.push_back("parameter " + param.name + " is required");
    }
    refuse_if_any(mistakes, flow);
    return out;
}

Json with_defaults(const FlowPlan& flow, Json checked, Scope scope) {
    std::vector<std::string> mistakes;
    for (const auto& [name, value] : checked.items()) scope.set(name, value);
    for (const auto& param : flow.params) {
        auto& value = checked[param.name]; // null when it was not given
        if (!value.is_null() || param.default_value.is_null()) continue;
        try {
            value = checked_value(param, substitute(param.default_value, scope), mistakes);
        } catch (const Error& e) {
            mistakes.push_back("the default of parameter " + param.name + ": " + e.what());
        }
        scope.set(param.name, value);
    }
    refuse_if_any(mistakes, flow);
    return checked;
}

void check_connections(const FlowPlan& flow, const Json& params, const std::vector<std::string>& connections) {
    if (connections.empty()) return;
    for (const auto& param : flow.params) {
        const Json value = param.type == "connection" ? params.value(param.name, Json()) : Json();
        if (!value.is_string() || std::find(connections.begin(), connections.end(), value.get<std::string>()) != connections.end())
            continue;
        const auto name = value.get<std::string>();
        const auto near = nearest(name, connections);
        throw Refusal(Refusal::Kind::Invalid, "parameter " + param.name + ": there is no connection " + name,
                      near.empty() ? "`millrace connections list` shows them; another one is declared in millrace.yaml"
                                   : "did you mean " + near + "?");
    }
}

} // namespace millrace
