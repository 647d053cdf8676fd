#include "scheduler/credentials.hpp"

#include <boost/asio/co_spawn.hpp>

#include <spdlog/spdlog.h>

namespace millrace {
namespace asio = boost::asio;
namespace {

constexpr auto between_looks = std::chrono::milliseconds(500);
constexpr auto counts_as_used = std::chrono::seconds(30);
constexpr int most_tries = 30; ///< to store a pause, a second apart
/// A pause is told again only where it ends later by more: each way of it takes a little.
constexpr auto same_pause = std::chrono::milliseconds(200);

std::chrono::microseconds span(double seconds) { return std::chrono::microseconds(static_cast<std::int64_t>(seconds * 1e6)); }

} // namespace

Credentials::Credentials(asio::io_context& io, Clock& clock, Store& store, std::function<void(const CredentialPause&)> tell_hosts)
    : io_(io), clock_(clock), store_(store), tell_hosts_(std::move(tell_hosts)) {}

void Credentials::stop() {
    stopped_ = true;
    clock_.cancel(timer_);
}

void Credentials::permits(PermitRequest request, std::function<void(PermitGrant)> answer) {
    used_[request.credential].at = clock_.uptime();
    look_soon();
    PermitGrant none;
    none.credential = request.credential;
    none.alone = true;
    auto claim = store_.claim_permits(std::move(request));
    asio::co_spawn(io_, std::move(claim),
                   [this, none, answer = std::move(answer), alive = std::weak_ptr(alive_)](std::exception_ptr failed, PermitGrant grant) {
                       if (alive.expired()) return;
                       auto& out = failed ? none : grant;
                       PermitGrant told = out;
                       told.share = 1.0 / static_cast<double>(nodes_);
                       if (told.paused > 0) (void)learn(told.credential, told.paused);
                       answer(std::move(told));
                   });
}

/// Whether it is news: it ends later than what is known.
bool Credentials::learn(const std::string& credential, double seconds) {
    auto& used = used_[credential];
    const auto until = clock_.uptime() + span(seconds);
    if (until <= used.paused_until + same_pause) return false;
    used.paused_until = until;
    return true;
}

void Credentials::pause(CredentialPause pause) {
    used_[pause.credential].at = clock_.uptime();
    if (!learn(pause.credential, pause.seconds)) return;
    spdlog::info("connection={} is paused by its service for {:.1f} s", pause.connection, pause.seconds);
    tell_hosts_(pause);
    store_pause(std::move(pause), 0);
}

/// Other nodes have to know; while the store is away they keep to their share, and this is tried again.
void Credentials::store_pause(CredentialPause pause, int tries) {
    auto write = store_.pause_credential(pause);
    asio::co_spawn(io_, std::move(write), [this, pause, tries, alive = std::weak_ptr(alive_)](std::exception_ptr failed) {
        if (alive.expired() || !failed || stopped_ || tries >= most_tries) return;
        clock_.call_after(std::chrono::seconds(1), [this, pause, tries, alive] {
            if (alive.expired()) return;
            auto rest = pause;
            rest.seconds = std::chrono::duration<double>(used_[pause.credential].paused_until - clock_.uptime()).count();
            if (rest.seconds > 0) store_pause(std::move(rest), tries + 1);
        });
    });
}

void Credentials::quota(CredentialQuota quota) {
    auto write = store_.note_quota(std::move(quota));
    asio::co_spawn(io_, std::move(write), [](std::exception_ptr) {}); // for people: the next one tells as much
}

void Credentials::look_soon() {
    if (looking_ || stopped_) return;
    looking_ = true;
    timer_ = clock_.call_after(between_looks, [this] { look(); });
}

/// What other nodes were told.
void Credentials::look() {
    const auto now = clock_.uptime();
    std::erase_if(used_, [&](const auto& entry) { return entry.second.at + counts_as_used < now && entry.second.paused_until < now; });
    std::vector<std::string> names;
    for (const auto& [name, used] : used_)
        if (used.at + counts_as_used >= now) names.push_back(name);
    if (names.empty() || stopped_) return void(looking_ = false);
    auto ask = store_.credential_pauses(std::move(names));
    asio::co_spawn(io_, std::move(ask),
                   [this, alive = std::weak_ptr(alive_)](std::exception_ptr failed, std::map<std::string, double> pauses) {
                       if (alive.expired()) return;
                       looking_ = false;
                       if (!failed)
                           for (const auto& [credential, seconds] : pauses)
                               if (learn(credential, seconds)) tell_hosts_({credential, "", seconds});
                       look_soon();
                   });
}

} // namespace millrace
