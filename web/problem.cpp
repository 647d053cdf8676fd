#include "web/problem.hpp"

#include "flows/error.hpp"
#include "scheduler/service.hpp"

#include <spdlog/spdlog.h>

#include <random>

namespace millrace {

namespace {

int status_of(Refusal::Kind kind) {
    switch (kind) {
    case Refusal::Kind::NotFound: return 404;
    case Refusal::Kind::Invalid: return 422;
    case Refusal::Kind::Conflict: return 409;
    case Refusal::Kind::Unavailable: return 503;
    }
    return 500;
}

int status_of(ErrorClass error_class) {
    switch (error_class) {
    case ErrorClass::Transient:
    case ErrorClass::RateLimited:
    case ErrorClass::Crashed:
    case ErrorClass::Timeout:
    case ErrorClass::Resource:
    case ErrorClass::Cancelled: return 503;
    case ErrorClass::BadData:
    case ErrorClass::Permanent:
    case ErrorClass::NotYetVisible: return 422;
    case ErrorClass::Auth: return 502;
    }
    return 500;
}

std::string incident_number() {
    std::random_device device;
    return fmt::format("{:08x}", device());
}

Response unexpected(std::string_view reason, std::string_view instance) {
    const std::string incident = incident_number();
    spdlog::error("http incident={} at={} reason=\"{}\"", incident, instance, reason);
    return problem_response(Problem(500, "the request failed inside the daemon", "look for incident " + incident + " in the daemon's log"),
                            instance);
}

} // namespace

std::string_view reason_phrase(int status) {
    switch (status) {
    case 200: return "OK";
    case 202: return "Accepted";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 431: return "Request Header Fields Too Large";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    default: return status < 500 ? "Error" : "Internal Server Error";
    }
}

Response problem_response(const Problem& problem, std::string_view instance) {
    Json document = {
        {"type", "about:blank"}, {"title", reason_phrase(problem.status)}, {"status", problem.status}, {"detail", problem.what()}};
    if (!problem.remedy.empty()) document["remedy"] = problem.remedy;
    if (!instance.empty()) document["instance"] = instance;
    Response response = json_response(document, problem.status);
    response.content_type = "application/problem+json";
    response.headers = problem.headers;
    if (problem.status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"millrace\"");
    if (problem.status == 503) response.headers.emplace_back("Retry-After", "1");
    return response;
}

Response problem_response(const std::exception_ptr& thrown, std::string_view instance) {
    try {
        std::rethrow_exception(thrown);
    } catch (const Problem& problem) {
        return problem_response(problem, instance);
    } catch (const Refusal& refusal) {
        return problem_response(Problem(status_of(refusal.kind), refusal.what(), refusal.remedy), instance);
    } catch (const Error& error) {
        return problem_response(Problem(status_of(error.error_class), error.what(), error.remedy), instance);
    } catch (const std::exception& e) {
        return unexpected(e.what(), instance);
    } catch (...) {
        return unexpected("an exception of no known type", instance);
    }
}

} // namespace millrace
