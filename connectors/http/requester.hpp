/// Asks a source until it answers: rate and concurrency of the credential, retries with backoff, and what a refusal means.
/// One requester per thread; the governor is shared.
///
/// Transient failures (no connection, reset, stalled, 408, 5xx, what the spec says, an answer that is no whole page) and 429
/// are retried here, up to `tries`. A pause that the server asks for is kept by everyone who uses the credential; one longer
/// than `longest_pause` seconds ends every attempt that asks with Error{RateLimited}, whose retry_after the engine honours
/// without a thread that waits.
#pragma once

#include "connectors/http/governor.hpp"
#include "connectors/http/http_client.hpp"
#include "connectors/http/json_path.hpp"
#include "connectors/http/request_builder.hpp"

#include "flows/time.hpp"

#include <atomic>
#include <functional>
#include <random>

namespace millrace {

struct RetryRules {
    int tries = 5;
    int pauses = 20;          ///< of a request, that a 429 with Retry-After asked for: no tries
    int slow_tries = 3;       ///< of a request that timed out: each of them may have cost minutes
    double first_delay = 0.5; ///< seconds; doubles, with jitter
    double longest_delay = 20;
    double longest_pause = 90; ///< that a server may ask for and get inside the attempt
};

/// What goes on, for logs and progress. Called from any worker's thread.
struct RequestEvents {
    std::function<bool()> cancelled = [] { return false; };
    std::function<void(double seconds)> waiting = [](double) {};
    std::function<void(const std::string&)> retrying = [](const std::string&) {};
    std::atomic<std::int64_t> requests{0};
    std::atomic<std::int64_t> bytes{0}; ///< of bodies
};

class Requester {
public:
    Requester(const SourceSpec& source, const Json& connection, std::shared_ptr<Governor> governor, const HttpLimits& limits,
              const RetryRules& rules, RequestEvents& events);

    /// Sends until `accept` takes the answer. `accept` sees answers with status 2xx only; it throws Error to refuse one, and an
    /// Error{Transient} is retried. `what` names the request in messages ("page 3 of 2026-11-01").
    /// Throws Error whose message names the request, its address without secrets, and the reason.
    void send(const HttpRequest& request, const std::string& what, HttpResponse& response,
              const std::function<void(HttpResponse&)>& accept);

private:
    void exchange(const HttpRequest& request, HttpResponse& response);
    void judge(const HttpResponse& response) const;
    void wait(double seconds) const;
    [[nodiscard]] double backoff(int tries_done);

    const SourceSpec& source_;
    SecretMask mask_;
    std::shared_ptr<Governor> governor_;
    HttpClient client_;
    RetryRules rules_;
    RequestEvents& events_;
    std::minstd_rand random_;
};

/// The error that a status means to this source (ErrorRule, else the defaults of source_spec.hpp). Pure.
[[nodiscard]] Error refusal_of(const SourceSpec& source, long status, std::string_view body, std::string_view retry_after, Instant now);

} // namespace millrace
