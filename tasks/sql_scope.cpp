#include "tasks/sql_scope.hpp"

#include "connectors/manifest.hpp"
#include "flows/decimal_param.hpp"
#include "flows/interval.hpp"
#include "flows/sql_identifier.hpp"
#include "flows/zone.hpp"

#include <stdexcept>

namespace millrace {
namespace {

using duckdb::Value;

Instant instant_of(const std::string& text, const std::string& zone) { return parse_date_or_instant(text, zone); }

std::int32_t local_day(Instant t, const std::string& zone) {
    return static_cast<std::int32_t>(std::chrono::floor<std::chrono::days>(to_local(t, find_zone(zone)).time_since_epoch()).count());
}

Value untyped(const Json& value) {
    if (value.is_boolean()) return Value::boolean(value);
    if (value.is_number_integer()) return Value::integer(value);
    if (value.is_number()) return Value::real(value);
    if (value.is_string()) return Value::text(value.get<std::string>());
    if (!value.is_array()) return Value::text(value.dump());
    std::vector<std::string> items;
    for (const Json& item : value) items.push_back(item.is_string() ? item.get<std::string>() : item.dump());
    return Value::text_list(items);
}

} // namespace

Value value_of(const Json& value, const std::string& type, const std::string& timezone) {
    if (value.is_null()) return Value::null();
    if (type == "decimal")
        return Value::decimal(value.is_string() ? value.get<std::string>() : value.dump(), decimal_param_width, decimal_param_scale);
    if (type == "timestamptz" && value.is_string()) return Value::instant(to_micros(instant_of(value, timezone)));
    if (type == "date" && value.is_string()) return Value::date(local_day(instant_of(value, timezone), timezone));
    return untyped(value);
}

duckdb::Bindings bindings_of(const RunContext& context) {
    duckdb::Bindings out;
    for (const auto& [name, value] : context.params.items()) {
        const auto type = context.param_types.find(name);
        try {
            out.emplace(name, value_of(value, type == context.param_types.end() ? "" : type->second, context.timezone));
        } catch (const std::invalid_argument& e) {
            throw Error(ErrorClass::Permanent, "parameter " + name + ": " + e.what());
        }
    }
    const auto instant = [&](const std::string& name, const std::string& text) {
        const Instant t = instant_of(text, context.timezone);
        out.insert_or_assign(name, Value::instant(to_micros(t)));
        return t;
    };
    if (!context.run_at.empty()) instant("run_at", context.run_at);
    if (context.interval_start)
        out.insert_or_assign("interval_start_date",
                             Value::date(local_day(instant("interval_start", *context.interval_start), context.timezone)));
    if (context.interval_end)
        out.insert_or_assign("interval_end_date", Value::date(local_day(instant("interval_end", *context.interval_end), context.timezone)));
    return out;
}

std::map<std::string, Question::Value> query_values(const RunContext& context) {
    std::map<std::string, Question::Value> out;
    const auto day_of = [&](Instant t) { return format_time(t, "%Y-%m-%d", find_zone(context.timezone)); };
    for (const auto& [name, value] : context.params.items()) {
        const auto type = context.param_types.find(name);
        auto& bound = out[name];
        if (type != context.param_types.end()) bound.type = type->second;
        if (value.is_null()) continue;
        if (value.is_array()) {
            bound.list.emplace();
            for (const Json& item : value) bound.list->push_back(item.is_string() ? item.get<std::string>() : item.dump());
            continue;
        }
        bound.text = value.is_string() ? value.get<std::string>() : value.dump();
        try {
            if (bound.type == "date") bound.text = day_of(instant_of(*bound.text, context.timezone));
            if (bound.type == "timestamptz") bound.text = to_rfc3339(instant_of(*bound.text, context.timezone));
        } catch (const std::invalid_argument& e) {
            throw Error(ErrorClass::Permanent, "parameter " + name + ": " + e.what());
        }
    }
    const auto instant = [&](const std::string& name, const std::string& text, bool with_date) {
        const Instant t = instant_of(text, context.timezone);
        out[name] = {to_rfc3339(t), {}, "timestamptz"};
        if (with_date) out[name + "_date"] = {day_of(t), {}, "date"};
    };
    if (!context.run_at.empty()) instant("run_at", context.run_at, false);
    if (context.interval_start) instant("interval_start", *context.interval_start, true);
    if (context.interval_end) instant("interval_end", *context.interval_end, true);
    return out;
}

std::int64_t create_views(duckdb::Connection& db, const std::map<std::string, std::string>& manifests) {
    std::string sql;
    std::int64_t rows = 0;
    for (const auto& [task, path] : manifests) {
        const Manifest manifest = read_manifest(path);
        rows += manifest.rows;
        sql += "CREATE OR REPLACE TEMP VIEW " + quote_identifier(task) + " AS SELECT * FROM " + rows_of(path, manifest) + ";";
    }
    if (!sql.empty()) db.query(sql);
    return rows;
}

} // namespace millrace
