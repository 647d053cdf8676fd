#include "scheduler/clock.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <ctime>

namespace millrace {
namespace {

/// The timer of a sleeping coroutine; the clock's action and the sleeper both know it, whoever goes first.
struct Sleep {
    Sleep(Clock& c, boost::asio::any_io_executor executor) : clock(c), timer(std::move(executor)) {
        timer.expires_at(boost::asio::steady_timer::time_point::max());
    }
    Clock& clock;
    boost::asio::steady_timer timer;
    bool due = false;
};

/// Forgets the clock's action when the sleeper is cancelled.
struct Forget {
    Clock& clock;
    Clock::TimerId id;
    ~Forget() { clock.cancel(id); }
};

} // namespace

boost::asio::awaitable<void> sleep_until(Clock& clock, Instant at) {
    auto executor = co_await boost::asio::this_coro::executor;
    auto sleep = std::make_shared<Sleep>(clock, executor);
    std::function<void()> wake = [sleep] {
        sleep->due = true;
        sleep->timer.cancel();
    };
    const Forget forget{clock, clock.call_at(at, std::move(wake))};
    try {
        co_await sleep->timer.async_wait(boost::asio::use_awaitable);
    } catch (const boost::system::system_error&) {
        if (!sleep->due) throw;
    }
}

namespace {

Instant wall_time() { return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()); }

/// Since the machine started, as if that had been the first instant.
Instant up_time() {
    timespec t{};
    clock_gettime(CLOCK_BOOTTIME, &t);
    return Instant(std::chrono::seconds(t.tv_sec) + std::chrono::microseconds(t.tv_nsec / 1000));
}

} // namespace

struct SystemClock::Alarm {
    Alarm(boost::asio::io_context& io, Instant (*clock)()) : timer(io), now(clock) {}

    void add(TimerId id, Instant at, std::function<void()> action) {
        timers.emplace(std::pair(at, id), std::move(action));
        instants.emplace(id, at);
        set();
    }

    void remove(TimerId id) {
        const auto at = instants.find(id);
        if (at == instants.end()) return;
        timers.erase({at->second, id});
        instants.erase(at);
    }

    void set() {
        if (timers.empty()) return;
        const Instant next = timers.begin()->first.first;
        if (armed && armed_for <= next) return;
        armed = true;
        armed_for = next;
        // A second at most: the wall clock may be set meanwhile, and the machine may sleep.
        const auto left = std::clamp<std::chrono::microseconds>(next - now(), std::chrono::microseconds(0), std::chrono::seconds(1));
        timer.expires_after(left);
        timer.async_wait([this](boost::system::error_code ec) {
            if (ec) return;
            armed = false;
            ring();
            set();
        });
    }

    void ring() {
        const Instant at = now();
        while (!timers.empty() && timers.begin()->first.first <= at) {
            auto action = std::move(timers.begin()->second);
            instants.erase(timers.begin()->first.second);
            timers.erase(timers.begin());
            action();
        }
    }

    boost::asio::steady_timer timer;
    Instant (*const now)();
    std::map<std::pair<Instant, TimerId>, std::function<void()>> timers;
    std::map<TimerId, Instant> instants;
    bool armed = false;
    Instant armed_for{};
};

SystemClock::SystemClock(boost::asio::io_context& io)
    : wall_(std::make_unique<Alarm>(io, wall_time)), uptime_(std::make_unique<Alarm>(io, up_time)) {}
SystemClock::~SystemClock() = default;

Instant SystemClock::now() const { return wall_time(); }

std::chrono::microseconds SystemClock::uptime() const { return up_time().time_since_epoch(); }

Clock::TimerId SystemClock::call_at(Instant at, std::function<void()> action) {
    wall_->add(++last_id_, at, std::move(action));
    return last_id_;
}

Clock::TimerId SystemClock::call_after(std::chrono::microseconds time, std::function<void()> action) {
    uptime_->add(++last_id_, up_time() + time, std::move(action));
    return last_id_;
}

void SystemClock::cancel(TimerId id) {
    wall_->remove(id);
    uptime_->remove(id);
}

Clock::TimerId FakeClock::call_at(Instant at, std::function<void()> action) {
    timers_.emplace(std::pair(at, ++last_id_), std::move(action));
    return last_id_;
}

void FakeClock::cancel(TimerId id) {
    std::erase_if(timers_, [&](const auto& timer) { return timer.first.second == id; });
}

std::optional<Instant> FakeClock::next() const {
    if (timers_.empty()) return std::nullopt;
    return timers_.begin()->first.first;
}

void FakeClock::advance_to(Instant at) {
    while (!timers_.empty() && timers_.begin()->first.first <= at) {
        now_ = std::max(now_, timers_.begin()->first.first);
        auto action = std::move(timers_.begin()->second);
        timers_.erase(timers_.begin());
        action();
    }
    now_ = std::max(now_, at);
}

} // namespace millrace
