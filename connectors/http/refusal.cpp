#include "connectors/http/requester.hpp"
#include "connectors/http/retry_after.hpp"
#include "connectors/one_line.hpp"

#include <algorithm>

namespace millrace {
namespace {

ErrorClass class_of(long status) {
    if (status == 429) return ErrorClass::RateLimited;
    if (status == 401 || status == 403) return ErrorClass::Auth;
    if (status == 408 || status == 425 || status >= 500) return ErrorClass::Transient;
    return ErrorClass::Permanent;
}

std::string remedy_of(ErrorClass c, long status, const SourceSpec& source) {
    switch (c) {
    case ErrorClass::Auth: return "check the connection's credentials and what their owner may read";
    case ErrorClass::RateLimited: return "lower the connection's requests_per_second, or run the flow at another time";
    case ErrorClass::Transient: return "the service is in trouble; run again later";
    default: break;
    }
    if (status < 400) return "the service has moved, or never was there: set the connection's url to where it answers itself";
    if (status == 404 || status == 405 || status == 410) return "check the connection's url and ids";
    return "check what was asked for: the task's `with` and the connection's fields; if the service has changed, correct " +
           (source.file.empty() ? "its spec" : source.file + ", then `millrace deploy`");
}

} // namespace

Error refusal_of(const SourceSpec& source, long status, std::string_view body, std::string_view retry_after, Instant now) {
    const Json json = Json::parse(body, nullptr, false);
    std::string reason;
    std::optional<std::int64_t> code;
    if (!json.is_discarded()) {
        if (const Json* text = find_in(json, parse_json_path(source.error_message)); text != nullptr && text->is_string())
            reason = one_line(text->get<std::string>(), 300);
        if (const Json* number = find_in(json, parse_json_path(source.error_code)); number != nullptr && number->is_number_integer())
            code = number->get<std::int64_t>();
    }
    if (reason.empty()) reason = one_line(body, 200);
    ErrorClass error_class = class_of(status);
    std::string remedy = remedy_of(error_class, status, source);
    for (const ErrorRule& rule : source.errors) {
        const bool status_fits =
            rule.status.empty() || std::find(rule.status.begin(), rule.status.end(), static_cast<int>(status)) != rule.status.end();
        if (!status_fits || (rule.code && rule.code != code)) continue;
        error_class = error_class_from(rule.error_class);
        if (!rule.remedy.empty()) remedy = rule.remedy;
        break;
    }
    const std::string message =
        std::to_string(status) + (reason.empty() ? "" : " " + reason) + (code ? " (code " + std::to_string(*code) + ")" : "");
    const bool later = error_class == ErrorClass::RateLimited || error_class == ErrorClass::Transient;
    return Error(error_class, message, remedy, later ? retry_after_seconds(retry_after, now).value_or(0) : 0);
}

} // namespace millrace
