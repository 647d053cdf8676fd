#include "connectors/http/requester.hpp"

#include "connectors/http/quota.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <thread>

namespace millrace {
namespace {

/// Pages come and go at one size; an answer that is far larger than usual gives its memory back.
constexpr std::size_t buffer_kept = 8 << 20;

Instant now() { return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now()); }

/// A proxy's or a login page, which answers 200 in the place of the API. JSON that is called HTML is JSON.
bool is_html(const HttpResponse& response) {
    const std::string_view text = response.body.text();
    const auto first = text.find_first_not_of(" \t\r\n");
    return first != std::string_view::npos && text[first] == '<';
}

bool is_worth_another_try(ErrorClass c) { return c == ErrorClass::Transient || c == ErrorClass::RateLimited || c == ErrorClass::Timeout; }

} // namespace

Requester::Requester(const SourceSpec& source, const Json& connection, std::shared_ptr<Governor> governor, const HttpLimits& limits,
                     const RetryRules& rules, RequestEvents& events)
    : source_(source), mask_(source, connection), governor_(std::move(governor)), client_(limits), rules_(rules), events_(events),
      random_(std::random_device{}()) {}

void Requester::exchange(const HttpRequest& request, HttpResponse& response) {
    if (response.body.capacity() > buffer_kept) response.body = HttpBody();
    const auto permit = governor_->acquire(rules_.longest_pause, events_.cancelled, events_.waiting);
    ++events_.requests;
    client_.perform(request, response, events_.cancelled);
    if (const auto quota = quota_in(response.headers, now())) governor_->learn(quota->limit, quota->left, quota->reset);
    events_.bytes += static_cast<std::int64_t>(response.body.text().size());
}

void Requester::judge(const HttpResponse& response) const {
    if ((response.status == 401 || response.status == 403) && !response.stranger.empty())
        throw Error(ErrorClass::Auth,
                    std::to_string(response.status) + " from " + response.stranger +
                        ", where the service redirects to; credentials are not sent there",
                    "set the connection's url to that host if you trust it");
    if (response.status < 200 || response.status > 299)
        throw refusal_of(source_, response.status, mask_(std::string(response.body.text())), response.header("retry-after"),
                         now()); // masked before it is cut
    if (is_html(response))
        throw Error(ErrorClass::Transient, std::to_string(response.status) + " with HTML instead of JSON",
                    "a proxy or a login page answers in the API's place: check the connection's url and the network");
}

double Requester::backoff(int tries_done) {
    const double full = std::min(rules_.longest_delay, rules_.first_delay * static_cast<double>(1 << std::min(tries_done - 1, 20)));
    return full * std::uniform_real_distribution<double>(0.5, 1.0)(random_);
}

void Requester::wait(double seconds) const {
    const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    while (std::chrono::steady_clock::now() < until) {
        if (events_.cancelled()) throw Error(ErrorClass::Cancelled, "the request was cancelled");
        std::this_thread::sleep_for(
            std::min(std::chrono::duration<double>(0.1), std::chrono::duration<double>(until - std::chrono::steady_clock::now())));
    }
}

void Requester::send(const HttpRequest& request, const std::string& what, HttpResponse& response,
                     const std::function<void(HttpResponse&)>& accept) {
    int pauses = 0; ///< that the service asked for: they are no failures
    for (int tries = 1;; ++tries) {
        try {
            exchange(request, response);
            judge(response);
            accept(response);
            return;
        } catch (const Error& e) {
            if (e.error_class == ErrorClass::Cancelled) throw;
            if (e.retry_after > 0) governor_->pause(e.retry_after);
            const bool paused_too_long = e.retry_after > rules_.longest_pause;
            if (e.error_class == ErrorClass::RateLimited && e.retry_after > 0 && !paused_too_long && ++pauses <= rules_.pauses) --tries;
            const int most = e.error_class == ErrorClass::Timeout ? std::min(rules_.tries, rules_.slow_tries) : rules_.tries;
            if (tries >= most || !is_worth_another_try(e.error_class) || paused_too_long) {
                const std::string count = tries > 1 ? fmt::format(", after {} tries", tries) : "";
                throw Error(e.error_class, mask_(fmt::format("{} {} ({}): {}{}", request.method, request.url, what, e.what(), count)),
                            e.remedy, e.retry_after);
            }
            const double delay = e.retry_after > 0 ? 0 : backoff(tries);
            if (e.error_class == ErrorClass::RateLimited && e.retry_after <= 0) governor_->pause(delay);
            events_.retrying(mask_(fmt::format("{} {} ({}): {}; try {} of {} in {:.1f} s", request.method, request.url, what, e.what(),
                                               tries + 1, most, e.retry_after > 0 ? e.retry_after : delay)));
            wait(delay);
        }
    }
}

} // namespace millrace
