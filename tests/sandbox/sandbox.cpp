#include "sandbox.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "clockify/api_error.hpp"

namespace millrace::sandbox {

namespace {

using Json = nlohmann::json;

double now_seconds() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

std::uint64_t number_or(const std::string& text, std::uint64_t otherwise) {
    try {
        return text.empty() ? otherwise : std::stoull(text);
    } catch (const std::exception&) {
        return otherwise;
    }
}

/// What of a report's body the faults and the log are interested in.
struct Paging {
    std::uint64_t page = 0, size = 50;
    std::string what, from, to;
};

Paging paging_of(const Request& request) {
    Paging paging;
    if (const auto page = request.parameter("page")) paging.page = number_or(*page, 0);
    if (const auto size = request.parameter("page-size")) paging.size = number_or(*size, 50);
    if (request.method != "POST" || request.body.empty()) return paging;
    const Json body = Json::parse(request.body, nullptr, false);
    if (!body.is_object()) return paging;
    const auto text = [&](const char* name) {
        return body.contains(name) && body[name].is_string() ? body[name].get<std::string>() : std::string();
    };
    paging.from = text("dateRangeStart");
    paging.to = text("dateRangeEnd");
    paging.what = fmt::format("{}..{}", paging.from, paging.to);
    if (body.contains("projects") && body["projects"].is_object()) paging.what += body["projects"].value("ids", Json::array()).dump();
    if (const auto filter = body.find("detailedFilter"); filter != body.end() && filter->is_object()) {
        if (filter->contains("page") && (*filter)["page"].is_number_integer()) paging.page = (*filter)["page"].get<std::uint64_t>();
        if (filter->contains("pageSize") && (*filter)["pageSize"].is_number_integer())
            paging.size = (*filter)["pageSize"].get<std::uint64_t>();
    }
    return paging;
}

Request with_page(Request request, std::uint64_t page) {
    if (request.method != "POST") {
        request.query["page"] = std::to_string(page);
        return request;
    }
    Json body = Json::parse(request.body, nullptr, false);
    if (body.is_object() && body.contains("detailedFilter")) body["detailedFilter"]["page"] = page;
    request.body = body.dump();
    return request;
}

std::size_t records_in(const Response& response) {
    const Json answer = Json::parse(response.body, nullptr, false);
    if (answer.is_array()) return answer.size();
    return answer.is_object() && answer.contains("timeentries") ? answer["timeentries"].size() : 0;
}

bool has(const std::vector<Fault>& faults, std::string_view kind) {
    return std::any_of(faults.begin(), faults.end(), [&](const Fault& fault) { return fault.kind == kind; });
}

Response text_response(int status, const std::string& text) {
    Response response;
    response.status = status;
    response.body = text;
    response.type = "text/plain; charset=utf-8";
    return response;
}

} // namespace

Sandbox::Sandbox(SandboxSettings settings)
    : settings_(std::move(settings)), clockify_(std::make_unique<Clockify>(settings_.clockify)), faults_(settings_.seed) {
    faults_.set(settings_.faults);
}

Sandbox::Answer Sandbox::handle(const Request& request) {
    if (request.path.starts_with("/_sandbox/")) {
        try {
            return {control(request), {}};
        } catch (const std::exception& error) {
            return {text_response(400, fmt::format("{}\n", error.what())), {}};
        }
    }
    const auto begun = std::chrono::steady_clock::now();
    LogLine line;
    line.number = log_.next_number();
    line.at = now_seconds();
    line.method = request.method;
    line.path = request.path;
    const std::size_t mark = request.target.find('?');
    if (mark != std::string::npos) line.query = request.target.substr(mark + 1);
    Answer answer = serve(request, line);
    answer.delivery.delay += settings_.latency;
    line.status = answer.delivery.refuse ? 0 : answer.response.status;
    line.bytes = answer.response.body.size();
    line.milliseconds = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begun).count();
    log_.add(std::move(line));
    return answer;
}

Sandbox::Answer Sandbox::serve(const Request& request, LogLine& line) {
    if (!Clockify::owns(request.path))
        return {text_response(404, "Nothing is simulated here. Clockify: /api/v1/... and /v1/...; figures: /_sandbox/figures\n"), {}};
    const Paging paging = paging_of(request);
    line.page = paging.page;
    line.what = paging.what;
    const std::string key = request.header("x-api-key");
    for (auto& workspace : clockify_->workspaces()) {
        if (workspace->key == key) line.workspace = workspace->id;
    }
    Answer answer;
    if (over_rate(key)) {
        line.faults.push_back("rate");
        Fault limit;
        limit.kind = "status";
        limit.settings["code"] = "429";
        if (!settings_.retry_after.empty()) limit.settings["retry_after"] = settings_.retry_after;
        answer.response = *answer_instead(limit);
        return answer;
    }
    const std::vector<Fault> faults = faults_.meeting({request, std::max<std::uint64_t>(1, paging.page)});
    for (const Fault& fault : faults) line.faults.push_back(fault.kind == "status" ? fault.text("code") : fault.kind);
    move_entries(request, faults);
    answer.response = clockify_->answer(shifted(request, faults, paging.page));
    if (has(faults, "endless")) {
        const std::string walk = request.path + paging.what;
        if (records_in(answer.response) >= paging.size) {
            last_full_[walk] = std::max(last_full_[walk], paging.page);
        } else if (last_full_[walk] > 0) {
            answer.response = clockify_->answer(with_page(request, (paging.page - 1) % last_full_[walk] + 1));
        }
        for (auto& [name, value] : answer.response.headers) {
            if (name == "Last-Page") value = "false";
        }
    }
    for (const Fault& fault : faults) {
        if (auto instead = answer_instead(fault)) answer.response = std::move(*instead);
        distort(fault, answer.response, answer.delivery);
    }
    return answer;
}

Request Sandbox::shifted(const Request& request, const std::vector<Fault>& faults, std::uint64_t page) {
    return has(faults, "repeat_page") && page > 1 ? with_page(request, page - 1) : request;
}

/// Entries that come and go while somebody pages through them.
void Sandbox::move_entries(const Request& request, const std::vector<Fault>& faults) {
    for (const Fault& fault : faults) {
        if (fault.kind != "arrive" && fault.kind != "vanish") continue;
        const std::string key = request.header("x-api-key");
        for (auto& workspace : clockify_->workspaces()) {
            if (workspace->key != key) continue;
            Timesheet& sheet = workspace->timesheet;
            const Paging paging = paging_of(request);
            const auto bound = [&](const std::string& text, Instant otherwise) {
                const auto time = parse_time(text);
                return time ? sheet.zone().to_instant(*time) : otherwise;
            };
            const Instant from = bound(paging.from, sheet.begin()), to = bound(paging.to, sheet.end());
            if (fault.kind == "arrive")
                sheet.arrive(fault.number("count", 1), from, to);
            else
                sheet.vanish(fault.number("count", 1), from, to);
        }
    }
}

bool Sandbox::over_rate(const std::string& key) {
    if (settings_.rate == 0) return false;
    const auto second = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
    Window& window = windows_[key];
    if (window.second != second) window = {second, 0};
    return ++window.requests > settings_.rate;
}

} // namespace millrace::sandbox
