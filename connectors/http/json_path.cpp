#include "connectors/http/json_path.hpp"

#include "flows/error.hpp"

namespace millrace {

JsonPath parse_json_path(const std::string& text) {
    JsonPath path;
    const auto refuse = [&] {
        throw Error(ErrorClass::Permanent, "'" + text + "' is no path", "write names and indices, like data.items[0].count");
    };
    std::size_t i = 0;
    while (i < text.size()) {
        if (text[i] == '[') {
            const auto close = text.find(']', i);
            const std::string digits = close == std::string::npos ? "" : text.substr(i + 1, close - i - 1);
            if (digits.empty() || digits.size() > 9 || digits.find_first_not_of("0123456789") != std::string::npos) refuse();
            path.emplace_back(static_cast<std::size_t>(std::stoul(digits)));
            i = close + 1;
        } else {
            const auto end = std::min(text.find_first_of(".[", i), text.size());
            if (end == i) refuse();
            path.emplace_back(text.substr(i, end - i));
            i = end;
        }
        if (i < text.size() && text[i] == '.' && ++i == text.size()) refuse();
    }
    return path;
}

const Json* find_in(const Json& value, const JsonPath& path) {
    const Json* at = &value;
    for (const auto& step : path) {
        if (const auto* name = std::get_if<std::string>(&step)) {
            if (!at->is_object() || !at->contains(*name)) return nullptr;
            at = &(*at)[*name];
        } else {
            const std::size_t i = std::get<std::size_t>(step);
            if (!at->is_array() || i >= at->size()) return nullptr;
            at = &(*at)[i];
        }
    }
    return at;
}

void set_in(Json& value, const JsonPath& path, Json what) {
    Json* at = &value;
    for (const auto& step : path) at = &(*at)[std::get<std::string>(step)];
    *at = std::move(what);
}

} // namespace millrace
