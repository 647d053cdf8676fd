#include <ctime>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "faults.hpp"

/// What each kind of fault does to an answer.
namespace millrace::sandbox {

namespace {

using Json = nlohmann::ordered_json;

/// The records of an answer: the array itself, or the list inside a report.
Json* records_of(Json& answer) {
    if (answer.is_array()) return &answer;
    for (const char* name : {"timeentries", "groupOne"}) {
        if (answer.is_object() && answer.contains(name)) return &answer[name];
    }
    return nullptr;
}

std::string default_field(const Json& record, bool id) {
    if (id) return record.contains("_id") ? "_id" : "id";
    if (record.contains("timeInterval")) return "timeInterval.duration";
    return record.contains("duration") ? "duration" : record.contains("archived") ? "archived" : "email";
}

/// The object that holds the last part of a dotted name, and that part.
std::pair<Json*, std::string> holder_of(Json& record, std::string_view dotted) {
    Json* at = &record;
    for (std::size_t dot = dotted.find('.'); dot != std::string_view::npos; dot = dotted.find('.')) {
        const std::string name(dotted.substr(0, dot));
        if (!at->is_object() || !at->contains(name)) break;
        at = &(*at)[name];
        dotted.remove_prefix(dot + 1);
    }
    return {at, std::string(dotted)};
}

void edit_records(const Fault& fault, Json& records) {
    if (records.empty()) return;
    const std::size_t row = std::min<std::size_t>(fault.number("row", 0), records.size() - 1);
    if (fault.kind == "wrong_type" || fault.kind == "null_field") {
        const std::string field = fault.text("field", default_field(records[row], fault.kind == "null_field"));
        const auto [holder, name] = holder_of(records[row], field);
        if (holder->is_object()) (*holder)[name] = fault.kind == "null_field" ? Json(nullptr) : Json(fault.text("value", "n/a"));
    } else if (fault.kind == "drop_field") {
        for (Json& record : records) {
            const auto [holder, name] = holder_of(record, fault.text("field", default_field(record, false)));
            if (holder->is_object()) holder->erase(name);
        }
    } else if (fault.kind == "add_field") {
        for (Json& record : records) record[fault.text("field", "colour")] = fault.text("value", "blue");
    } else if (fault.kind == "duplicate") {
        Json copy = records.front();
        if (fault.number("differing", 0)) copy[copy.contains("description") ? "description" : "name"] = "duplicate of another kind";
        records.push_back(std::move(copy));
    } else if (fault.kind == "empty") {
        records = Json::array();
    }
}

void edit_json(const Fault& fault, Response& response) {
    Json answer = Json::parse(response.body, nullptr, false);
    if (fault.kind == "wrong_total") {
        if (answer.is_object() && !answer["totals"].empty() && answer["totals"][0].is_object()) {
            Json& count = answer["totals"][0]["entriesCount"];
            count = count.get<std::int64_t>() + std::stoll(fault.text("by", "7"));
        }
    } else if (Json* records = records_of(answer)) {
        edit_records(fault, *records);
        if (fault.kind == "empty" && answer.is_object() && answer.contains("totals")) answer["totals"] = Json::array();
    }
    response.body = answer.dump();
}

std::string http_date(std::int64_t seconds_from_now) {
    const std::time_t at = std::time(nullptr) + seconds_from_now;
    std::tm parts{};
    gmtime_r(&at, &parts);
    char text[64];
    std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    return text;
}

std::string error_body(int status) {
    switch (status) {
    case 401: return R"({"message":"Api key does not exist","code":4003})";
    case 403: return R"({"message":"Access Denied","code":403})";
    case 429: return R"({"message":"Too many requests","code":429})";
    case 500: return R"({"message":"Internal Server Error","code":500})";
    default:
        return fmt::format("<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<center><h1>{0}</h1></center>\r\n</"
                           "body>\r\n</html>\r\n",
                           status);
    }
}

std::size_t cut_of(const Fault& fault, const Response& response) {
    return std::min<std::size_t>(fault.number("after", response.body.size() / 2), response.body.size());
}

} // namespace

std::optional<Response> answer_instead(const Fault& fault) {
    Response response;
    if (fault.kind == "html") {
        response.type = "text/html; charset=utf-8";
        response.body = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><h1>Sign in to "
                        "continue</h1></body></html>\n";
        return response;
    }
    if (fault.kind != "status") return std::nullopt;
    response.status = static_cast<int>(fault.number("code", 500));
    response.body = error_body(response.status);
    if (response.body.starts_with('<')) response.type = "text/html";
    if (const std::string wait = fault.text("retry_after"); !wait.empty()) {
        const bool as_date = wait.starts_with("date");
        const std::int64_t seconds = as_date && wait.size() > 5 ? std::stoll(wait.substr(5)) : 1;
        response.headers.emplace_back("Retry-After", as_date ? http_date(seconds) : wait);
    }
    return response;
}

void distort(const Fault& fault, Response& response, Delivery& delivery) {
    if (fault.kind == "refuse")
        delivery.refuse = true;
    else if (fault.kind == "delay")
        delivery.delay += std::chrono::milliseconds(fault.number("ms", 1000));
    else if (fault.kind == "reset" || fault.kind == "close") {
        delivery.cut_after = cut_of(fault, response);
        delivery.reset = fault.kind == "reset";
    } else if (fault.kind == "drip") {
        delivery.drip_bytes = std::max<std::size_t>(1, fault.number("bytes", 16));
        delivery.drip_every = std::chrono::milliseconds(fault.number("ms", 100));
    } else if (fault.kind == "truncate") {
        response.body.resize(cut_of(fault, response));
    } else if (fault.kind == "no_last_page") {
        std::erase_if(response.headers, [](const auto& header) { return header.first == "Last-Page"; });
    } else if (fault.kind == "bad_utf8") {
        const std::size_t at = response.body.find("\":\"");
        if (at != std::string::npos) response.body.insert(at + 3, "\xff");
    } else if (fault.kind == "huge") {
        if (!response.body.empty()) response.body.insert(response.body.size() - 1, fault.number("mb", 64) << 20, ' ');
    } else if (response.status == 200 && response.type == "application/json") {
        if (fault.kind == "empty") {
            for (auto& [name, value] : response.headers) {
                if (name == "Last-Page") value = "true";
            }
        }
        edit_json(fault, response);
    }
}

} // namespace millrace::sandbox
