#include "scheduler/rejected_rows.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <set>

namespace millrace {
namespace {

using OrderedJson = nlohmann::ordered_json; // the members as they came

/// Gives what the library's own parser gives, but a number that a double would change is the text that came, and nesting ends
/// before the stack does.
class RecordParser : public nlohmann::detail::json_sax_dom_parser<OrderedJson> {
    using Base = nlohmann::detail::json_sax_dom_parser<OrderedJson>;

public:
    explicit RecordParser(OrderedJson& record) : Base(record, false) {}

    bool number_float(double value, std::string text) {
        return OrderedJson(value).dump() == text ? Base::number_float(value, text) : string(text);
    }
    bool number_integer(std::int64_t value) { return value >= -exact ? Base::number_integer(value) : as_text(value); }
    bool number_unsigned(std::uint64_t value) { return value <= std::uint64_t{exact} ? Base::number_unsigned(value) : as_text(value); }
    bool start_object(std::size_t members) { return ++depth_ <= deepest && Base::start_object(members); }
    bool start_array(std::size_t elements) { return ++depth_ <= deepest && Base::start_array(elements); }
    bool end_object() { return --depth_ >= 0 && Base::end_object(); }
    bool end_array() { return --depth_ >= 0 && Base::end_array(); }

private:
    static constexpr std::int64_t exact = 1LL << 53;
    static constexpr int deepest = 200;

    template <class Integer>
    bool as_text(Integer value) {
        std::string text = std::to_string(value);
        return string(text);
    }

    int depth_ = 0;
};

/// Null where it is no JSON.
OrderedJson record_of(const std::string& raw) {
    OrderedJson record;
    RecordParser parser(record);
    return OrderedJson::sax_parse(raw, &parser) ? record : OrderedJson();
}

std::string cut(const std::string& column) {
    constexpr int longest = 1 << 16;
    const std::string most = std::to_string(longest);
    return "case when length(" + column + ") > " + most + " then left(" + column + ", " + most + ") || ' ... (cut: it has ' || length(" +
           column + ") || ' characters)' else " + column + " end as " + column;
}

} // namespace

std::string rejected_rows_sql(std::size_t parts, int limit) {
    constexpr std::int64_t most_bytes = 8 << 20;
    std::string all;
    for (std::size_t i = 0; i < parts; ++i)
        all += (all.empty() ? "" : " union all ") + ("select *, " + std::to_string(i) + " as _part from r" + std::to_string(i));
    const std::string in_order = " order by _part, length(_position), _position"; // a dataset's rows are in none
    return "with all_rows as (" + all + "), some_rows as (select * from all_rows" + in_order + " limit " + std::to_string(limit) +
           "), short_rows as (select _column, _rule, " + cut("_value") + ", _position, " + cut("_raw") +
           ", _part from some_rows) select * from short_rows qualify sum(coalesce(strlen(_value), 0) + coalesce(strlen(_raw), 0)) over "
           "(" +
           in_order.substr(1) + " rows between unbounded preceding and current row) <= " + std::to_string(most_bytes) + in_order;
}

Json rejected_document(const TaskPlan& task, const Json& rows, bool sensitive, std::int64_t total) {
    std::vector<std::string> names;
    const auto know = [&](const std::string& name) {
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    };
    Json out = Json::array();
    for (const Json& row : rows) {
        const std::string raw = row.at("_raw").is_string() ? row.at("_raw").get<std::string>() : "";
        const auto record = record_of(raw);
        Json fields = Json::object();
        if (record.is_object()) {
            if (names.empty() && task.options.contains("contract"))
                for (const auto& column : task.options.at("contract").value("columns", Json::array()))
                    if (record.contains(column.value("name", ""))) know(column.value("name", ""));
            for (const auto& [name, value] : record.items()) {
                know(name);
                fields[name] = sensitive && !value.is_null() ? Json("***") : Json(value);
            }
        } else { // it was no JSON, or no object
            know("record");
            fields["record"] = sensitive ? "***" : raw;
        }
        out.push_back({{"item", row.at("_item")},
                       {"column", row.at("_column")},
                       {"rule", row.at("_rule")},
                       {"value", sensitive && !row.at("_value").is_null() ? Json("***") : row.at("_value")},
                       {"position", row.at("_position")},
                       {"fields", std::move(fields)}});
    }
    return {{"columns", names}, {"rows", std::move(out)}, {"total", total}};
}

std::string rejects_before_load(const FlowPlan& plan, const TaskPlan& load, const std::vector<StoredTaskRun>& task_runs,
                                std::int64_t run_id) {
    std::set<std::string> kept;
    for (const auto& [key, run] : task_runs)
        if (run.details && run.details->result.is_object() && !run.details->result.value("rejects", "").empty() &&
            run.details->result.value("rejected", 0) > 0)
            kept.insert(plan.tasks.at(static_cast<std::size_t>(key.task)).name);
    std::string out;
    for (const Json& table : load.options.value("tables", Json::array())) {
        const std::string name = table.value("task", "");
        if (kept.erase(name) > 0)
            out += fmt::format("{}{}: millrace data head {}.{} --rejected", out.empty() ? "the rejected rows of " : ", of ", name, run_id,
                               name);
    }
    return out;
}

} // namespace millrace
