#include "flows/substitute.hpp"

#include "flows/error.hpp"
#include "flows/interval.hpp"
#include "flows/letters.hpp"
#include "flows/nearest.hpp"
#include "flows/zone.hpp"

#include <algorithm>
#include <stdexcept>

namespace millrace {
namespace {

/// Every dotted name below `value`, for "did you mean".
void collect_names(const std::string& prefix, const Json& value, std::vector<std::string>& names) {
    if (!prefix.empty() && !value.is_object()) names.push_back(prefix);
    if (value.is_object())
        for (const auto& [key, member] : value.items()) collect_names(prefix.empty() ? key : prefix + "." + key, member, names);
}

[[noreturn]] void refuse(const Reference& r, const std::string& why, const std::string& remedy = {}) {
    throw Error(ErrorClass::Permanent, "${" + r.name + (r.format.empty() ? "" : ":" + r.format) + "}: " + why, remedy);
}

std::string formatted(const Json& value, const Reference& r, const std::string& zone) {
    if (!value.is_string()) refuse(r, "only a time can have a format", "leave out ':" + r.format + "'");
    try {
        return format_time(parse_date_or_instant(value.get<std::string>(), zone), r.format, find_zone(zone));
    } catch (const std::invalid_argument& e) {
        refuse(r, e.what());
    }
}

const Json& value_of(const Reference& r, const Scope& scope) {
    if (const Json* value = scope.find(r.name)) return *value;
    std::vector<std::string> names;
    collect_names("", scope.values(), names);
    const auto near = nearest(r.name, names);
    if (!near.empty()) refuse(r, "there is no '" + r.name + "' here", "did you mean ${" + near + "}?");
    if (r.name.starts_with("interval.")) refuse(r, "this run has no interval", "give the flow an `interval:`");
    refuse(r, "there is no '" + r.name + "' here");
}

std::string text_of(const Json& value, const Reference& r) {
    if (value.is_string()) return value.get<std::string>();
    if (value.is_null())
        refuse(r, "is null and cannot stand inside text", "leave such rows out, or give it a value in the SQL: coalesce(..)");
    if (value.is_structured())
        refuse(r, std::string("is ") + (value.is_array() ? "a list" : "an object") + " and cannot stand inside text");
    return value.dump();
}

Json resolved(const Reference& r, const Scope& scope) {
    const Json& value = value_of(r, scope);
    return r.format.empty() ? value : Json(formatted(value, r, scope.timezone()));
}

/// `$${` is what a flow writes for a literal `${`.
void append_literal(std::string& out, const std::string& text, std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i) {
        out += text[i];
        if (text.compare(i, 3, "$${") == 0) ++i;
    }
}

} // namespace

Scope::Scope(const RunContext& context) : timezone_(context.timezone) {
    if (context.params.is_object())
        for (const auto& [name, value] : context.params.items()) set(name, value);
    set("run", {{"id", context.run_id}, {"at", context.run_at}});
    if (context.interval_start && context.interval_end)
        set("interval", {{"start", *context.interval_start}, {"end", *context.interval_end}});
    if (context.chunk_number > 0) set("chunk", {{"number", context.chunk_number}});
}

void Scope::set(const std::string& name, Json value) { values_[name] = std::move(value); }

const Json* Scope::find(const std::string& dotted) const {
    const Json* value = &values_;
    for (std::size_t from = 0; from <= dotted.size();) {
        const auto dot = std::min(dotted.find('.', from), dotted.size());
        if (!value->is_object()) return nullptr;
        const auto member = value->find(dotted.substr(from, dot - from));
        if (member == value->end()) return nullptr;
        value = &*member;
        from = dot + 1;
    }
    return value;
}

std::vector<Reference> references(const std::string& text) {
    std::vector<Reference> found;
    for (std::size_t i = 0; i + 1 < text.size(); ++i) {
        if (text.compare(i, 3, "$${") == 0) {
            i += 2;
        } else if (text.compare(i, 2, "${") == 0) {
            const auto close = text.find('}', i);
            if (close == std::string::npos)
                throw std::invalid_argument("'${' without its '}' in '" + text + "'; a literal '${' is written '$${'");
            const auto inside = text.substr(i + 2, close - i - 2);
            const auto colon = std::min(inside.find(':'), inside.size());
            found.push_back({std::string(trimmed(inside.substr(0, colon), " \t")), colon < inside.size() ? inside.substr(colon + 1) : "", i,
                             close + 1 - i});
            i = close;
        }
    }
    return found;
}

Json substitute_text(const std::string& text, const Scope& scope) {
    std::vector<Reference> found;
    try {
        found = references(text);
    } catch (const std::invalid_argument& e) {
        throw Error(ErrorClass::Permanent, e.what());
    }
    if (found.size() == 1 && found[0].length == text.size()) return resolved(found[0], scope);
    std::string out;
    std::size_t done = 0;
    for (const auto& r : found) {
        append_literal(out, text, done, r.offset);
        out += text_of(resolved(r, scope), r);
        done = r.offset + r.length;
    }
    append_literal(out, text, done, text.size());
    return out;
}

Json substitute(const Json& value, const Scope& scope) {
    if (value.is_string()) return substitute_text(value.get_ref<const std::string&>(), scope);
    if (!value.is_structured()) return value;
    Json copy = value;
    for (auto& member : copy) member = substitute(member, scope);
    return copy;
}

Json with_environment(const Json& value, const std::function<std::optional<std::string>(const std::string&)>& variable) {
    if (value.is_structured()) {
        Json copy = value;
        for (auto& member : copy) member = with_environment(member, variable);
        return copy;
    }
    if (!value.is_string() || value.get_ref<const std::string&>().find("env.") == std::string::npos) return value;
    const auto& text = value.get_ref<const std::string&>();
    std::vector<Reference> found;
    try {
        found = references(text);
    } catch (const std::invalid_argument&) {
        return value; // of a shell command
    }
    std::string out;
    std::size_t done = 0;
    for (const auto& r : found) {
        if (!r.name.starts_with("env.")) continue;
        const auto name = r.name.substr(4);
        auto filled = variable(name);
        if (!filled) refuse(r, "the daemon has no variable " + name, "set it in its environment, or in the .env beside millrace.yaml");
        for (auto at = filled->find("${"); at != std::string::npos; at = filled->find("${", at + 3)) filled->insert(at, "$");
        out += text.substr(done, r.offset - done) + *filled;
        done = r.offset + r.length;
    }
    return out + text.substr(done);
}

} // namespace millrace
