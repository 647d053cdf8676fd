#include "report_query.hpp"

#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "api_error.hpp"

namespace millrace::sandbox {

namespace {

using Json = nlohmann::json;

constexpr std::array<std::pair<std::string_view, Dimension>, 9> dimensions{{{"CLIENT", Dimension::Client},
                                                                            {"PROJECT", Dimension::Project},
                                                                            {"USER", Dimension::User},
                                                                            {"TASK", Dimension::Task},
                                                                            {"TAG", Dimension::Tag},
                                                                            {"DATE", Dimension::Date},
                                                                            {"WEEK", Dimension::Week},
                                                                            {"MONTH", Dimension::Month},
                                                                            {"TIMEENTRY", Dimension::TimeEntry}}};

Json parse_body(const std::string& body) {
    Json json = Json::parse(body, nullptr, false);
    if (!json.is_object()) throw ApiError{400, 3002, "Required request body is missing or malformed"};
    return json;
}

std::string text(const Json& json, const char* key, std::string otherwise = "") {
    const auto at = json.find(key);
    return at != json.end() && at->is_string() ? at->get<std::string>() : otherwise;
}

std::int64_t wall_clock(const Json& json, const char* key) {
    const std::string value = text(json, key);
    if (value.empty()) throw invalid(fmt::format("{} can't be null", key));
    const auto time = parse_time(value);
    if (!time) throw unreadable(fmt::format("Text '{}' could not be parsed at index 0", value));
    return *time;
}

template <class Find>
IdFilter id_filter(const Json& body, const char* key, Find find) {
    IdFilter filter;
    const auto at = body.find(key);
    if (at == body.end() || !at->is_object() || !at->contains("ids") || !at->at("ids").is_array()) return filter;
    for (const Json& id : at->at("ids")) {
        if (!id.is_string()) continue;
        const int index = find(id.get<std::string>());
        filter.ids.insert(index < 0 ? -2 : index);
    }
    filter.active = !filter.ids.empty();
    const std::string contains = text(*at, "contains", "CONTAINS");
    if (contains != "CONTAINS" && contains != "DOES_NOT_CONTAIN" && contains != "CONTAINS_ONLY") {
        throw unreadable(fmt::format("Cannot deserialize value \"{}\": not one of the values accepted for Enum class: "
                                     "[CONTAINS, DOES_NOT_CONTAIN, CONTAINS_ONLY]",
                                     contains));
    }
    filter.negated = contains == "DOES_NOT_CONTAIN";
    filter.only = contains == "CONTAINS_ONLY";
    return filter;
}

Dimension dimension_of(const std::string& name) {
    std::string accepted;
    for (const auto& [known, dimension] : dimensions) {
        if (known == name) return dimension;
        accepted += fmt::format("{}{}", accepted.empty() ? "" : ", ", known);
    }
    throw unreadable(fmt::format("Cannot deserialize value of type `SummaryGroup` from String \"{}\": not one of the "
                                 "values accepted for Enum class: [{}]",
                                 name, accepted));
}

std::uint64_t positive(const Json& json, const char* key, std::uint64_t otherwise) {
    const auto at = json.find(key);
    if (at == json.end() || at->is_null()) return otherwise;
    if (!at->is_number_integer() || at->get<std::int64_t>() < 1) throw invalid(fmt::format("{} must be at least 1", key));
    return at->get<std::uint64_t>();
}

Zone zone_of(const Json& body, const Workspace& workspace) {
    const std::string name = text(body, "timeZone");
    if (name.empty()) return workspace.timesheet.zone();
    try {
        return Zone(name);
    } catch (const std::exception&) {
        throw invalid(fmt::format("Unknown time-zone ID: {}", name));
    }
}

} // namespace

ReportQuery::ReportQuery(const std::string& text_of_body, const Workspace& workspace) : zone("UTC") {
    const Json body = parse_body(text_of_body);
    zone = zone_of(body, workspace);
    from = zone.to_instant(wall_clock(body, "dateRangeStart"));
    to = zone.to_instant(wall_clock(body, "dateRangeEnd"));
    if (to < from) throw invalid("Start date must be before end date");
    show_amounts = text(body, "amountShown", "EARNED") != "HIDE_AMOUNT";
    if (text(body, "sortOrder") == "ASCENDING") order = Order::Ascending;

    const Company& company = workspace.company;
    users_ = id_filter(body, "users", [&](const std::string& id) { return company.person_of(id); });
    clients_ = id_filter(body, "clients", [&](const std::string& id) { return company.client_of(id); });
    projects_ = id_filter(body, "projects", [&](const std::string& id) { return company.project_of(id); });
    tags_ = id_filter(body, "tags", [&](const std::string& id) { return company.tag_of(id); });
    description_ = text(body, "description");
    if (const auto at = body.find("withoutDescription"); at != body.end() && at->is_boolean()) without_description_ = at->get<bool>();
    if (const auto at = body.find("billable"); at != body.end() && at->is_boolean()) billable_ = at->get<bool>();
    filters_ = users_.active || clients_.active || projects_.active || tags_.active || !description_.empty() || without_description_ ||
               billable_.has_value();

    if (const auto summary = body.find("summaryFilter"); summary != body.end() && summary->is_object()) {
        if (const auto names = summary->find("groups"); names != summary->end() && names->is_array()) {
            for (const Json& name : *names) groups.push_back(dimension_of(name.is_string() ? name.get<std::string>() : name.dump()));
        }
        sort_column = text(*summary, "sortColumn", "GROUP");
    }
    if (const auto detailed = body.find("detailedFilter"); detailed != body.end() && detailed->is_object()) {
        is_detailed = true;
        page = positive(*detailed, "page", 1);
        page_size = positive(*detailed, "pageSize", 50);
        if (page_size > 1000) throw invalid("Page size must be between 1 and 1000");
        sort_column = text(*detailed, "sortColumn", "DATE");
        if (const auto options = detailed->find("options"); options != detailed->end() && options->is_object())
            with_totals = text(*options, "totals", "CALCULATE") != "EXCLUDE";
    }
    Json same = body;
    if (same.contains("detailedFilter")) same["detailedFilter"].erase("page"), same["detailedFilter"].erase("pageSize");
    fingerprint = same.dump();
}

std::string ReportQuery::answer_key() const {
    return fmt::format("{}|{}|{}|{}|{}|{}|{}|{}|{}", from, to, zone.name(), sort_column, order == Order::Ascending, page, page_size,
                       show_amounts * 2 + with_totals, is_plain() ? "" : fingerprint);
}

bool ReportQuery::matches(const Entry& entry, const Workspace& workspace) const {
    if (!filters_) return true;
    if (!users_.allows(entry.person) || !projects_.allows(entry.project)) return false;
    if (clients_.active &&
        !clients_.allows(entry.project < 0 ? -1 : workspace.company.projects[static_cast<std::size_t>(entry.project)].client))
        return false;
    if (tags_.active) {
        int hits = 0;
        for (int at = 0; at < entry.tag_count; ++at) hits += tags_.ids.contains(entry.tags[static_cast<std::size_t>(at)]) ? 1 : 0;
        if (tags_.negated ? hits > 0 : tags_.only ? hits == 0 || hits != entry.tag_count : hits == 0) return false;
    }
    if (billable_ && *billable_ != entry.billable) return false;
    if (description_.empty() && !without_description_) return true;
    const std::string text = workspace.timesheet.description(entry);
    return without_description_ ? text.empty() : text.find(description_) != std::string::npos;
}

Totals totals_of(Workspace& workspace, const ReportQuery& query) {
    auto& known = workspace.memory().totals;
    if (const auto at = known.find(query.fingerprint); at != known.end()) return at->second;
    Totals totals;
    workspace.timesheet.each(query.from, query.to, [&](Place, const Entry& entry) {
        if (!query.matches(entry, workspace)) return;
        totals.seconds += entry.seconds;
        if (entry.billable) totals.billable_seconds += entry.seconds;
        totals.earned += entry.earned(workspace.company);
        ++totals.entries;
    });
    if (known.size() > 4096) known.clear();
    known.emplace(query.fingerprint, totals);
    return totals;
}

void append_amount(std::string& out, std::int64_t earned) {
    if (earned % 3600 == 0)
        fmt::format_to(std::back_inserter(out), "{}", earned / 3600);
    else
        fmt::format_to(std::back_inserter(out), "{}", static_cast<double>(earned) / 3600.0);
}

void append_amounts(std::string& out, std::int64_t earned, bool shown) {
    out += "\"amounts\":[";
    if (shown && earned != 0) {
        out += R"({"type":"EARNED","value":)";
        append_amount(out, earned);
        out += '}';
    }
    out += ']';
}

void append_totals(std::string& out, const Totals& totals, const ReportQuery& query, const Company& company) {
    if (totals.entries == 0) { // both forms were seen; which one is a matter of the day
        out += query.zone.day_of(query.from) % 2 ? "[null]" : "[]";
        return;
    }
    fmt::format_to(std::back_inserter(out),
                   R"([{{"_id":"","totalTime":{},"totalBillableTime":{},"entriesCount":{},"numOfCurrencies":1,"totalAmount":)",
                   totals.seconds, totals.billable_seconds, totals.entries);
    const bool amount = query.show_amounts && totals.earned != 0;
    if (amount)
        append_amount(out, totals.earned);
    else
        out += "null";
    out += ',';
    append_amounts(out, totals.earned, query.show_amounts);
    out += R"(,"totalAmountByCurrency":)";
    if (amount) {
        fmt::format_to(std::back_inserter(out), R"([{{"currency":"{}","amount":)", company.currency);
        append_amount(out, totals.earned);
        out += "}]";
    } else {
        out += "{}";
    }
    out += "}]";
}

} // namespace millrace::sandbox
