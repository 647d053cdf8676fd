#include "web/http.hpp"

#include "flows/source_text.hpp"
#include "web/problem.hpp"

#include <algorithm>
#include <charconv>
#include <set>

namespace millrace {

namespace {

constexpr int deepest_json = 64;

std::optional<std::int64_t> integer_from(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

} // namespace

std::string_view to_string(Access a) {
    switch (a) {
    case Access::Public: return "public";
    case Access::Read: return "read";
    case Access::Trigger: return "trigger";
    case Access::Admin: return "admin";
    }
    return "public";
}

std::string_view Request::header(std::string_view name) const {
    const auto found = std::find_if(headers.begin(), headers.end(), [&](const auto& h) { return h.first == name; });
    return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

const std::string& Request::param(std::string_view name) const {
    const auto found = std::find_if(params.begin(), params.end(), [&](const auto& p) { return p.first == name; });
    if (found == params.end()) throw std::logic_error("the route has no parameter " + std::string(name));
    return found->second;
}

std::int64_t Request::id_param(std::string_view name) const {
    const std::string& text = param(name);
    const auto id = integer_from(text);
    if (!id || *id <= 0) throw Problem(404, "there is no run " + text, "runs are numbered: `millrace runs list` shows them");
    return *id;
}

std::optional<std::string> Request::query_value(std::string_view name) const {
    const auto found = std::find_if(query.begin(), query.end(), [&](const auto& q) { return q.first == name; });
    if (found == query.end()) return std::nullopt;
    return found->second;
}

std::vector<std::string> Request::query_list(std::string_view name) const {
    std::vector<std::string> values;
    for (const auto& [key, text] : query) {
        if (key != name) continue;
        for (std::size_t at = 0; at <= text.size();) {
            const std::size_t end = std::min(text.find(',', at), text.size());
            if (end > at) values.push_back(text.substr(at, end - at));
            at = end + 1;
        }
    }
    return values;
}

std::int64_t Request::query_integer(std::string_view name, std::int64_t fallback, std::int64_t least, std::int64_t most) const {
    const auto text = query_value(name);
    if (!text) return fallback;
    const auto value = integer_from(*text);
    if (!value || *value < least || *value > most)
        throw Problem(422, "'" + std::string(name) + "' is '" + *text + "', which is no whole number from " + std::to_string(least) +
                               " to " + std::to_string(most));
    return *value;
}

Json Request::json_object() const {
    if (body.empty()) return Json::object();
    std::vector<std::set<std::string>> members; // of the objects that are open
    const auto check = [&members](int depth, Json::parse_event_t event, Json& parsed) {
        // Deeper than any document of ours; a body of nothing but brackets would overflow the stack of whoever walks it.
        if (depth > deepest_json) throw Problem(422, "the body is nested more than " + std::to_string(deepest_json) + " deep");
        if (event == Json::parse_event_t::object_start) members.emplace_back();
        if (event == Json::parse_event_t::object_end) members.pop_back();
        if (event == Json::parse_event_t::key && !members.back().insert(parsed.get<std::string>()).second)
            throw Problem(422, "the body has the member '" + parsed.get<std::string>() + "' twice in one object", "leave one of them out");
        return true;
    };
    Json document;
    try {
        document = Json::parse(body, check);
    } catch (const Json::parse_error& e) {
        throw Problem(400, "the body is no JSON: unexpected text at byte " + std::to_string(e.byte), "send one JSON object");
    }
    if (!document.is_object()) throw Problem(422, "the body is a JSON " + std::string(document.type_name()) + ", not an object");
    return document;
}

Response json_response(const Json& document, int status) {
    Response response;
    response.status = status;
    response.content_type = "application/json";
    response.body = document.dump(-1, ' ', false, Json::error_handler_t::replace);
    return response;
}

std::optional<std::string> percent_decoded(std::string_view text) {
    std::string decoded;
    decoded.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            decoded += text[i];
            continue;
        }
        if (i + 2 >= text.size()) return std::nullopt;
        const int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
        if (high < 0 || low < 0 || (high == 0 && low == 0)) return std::nullopt;
        decoded += static_cast<char>(high * 16 + low);
        i += 2;
    }
    if (invalid_utf8(decoded) != std::string_view::npos) return std::nullopt;
    return decoded;
}

std::optional<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view text) {
    std::vector<std::pair<std::string, std::string>> members;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('&', at), text.size());
        std::string member(text.substr(at, end - at));
        at = end + 1;
        if (member.empty()) continue;
        std::replace(member.begin(), member.end(), '+', ' ');
        const std::size_t equals = std::min(member.find('='), member.size());
        auto name = percent_decoded(std::string_view(member).substr(0, equals));
        auto value = percent_decoded(equals == member.size() ? std::string_view() : std::string_view(member).substr(equals + 1));
        if (!name || !value) return std::nullopt;
        members.emplace_back(std::move(*name), std::move(*value));
    }
    return members;
}

} // namespace millrace
