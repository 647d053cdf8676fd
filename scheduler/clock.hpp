/// Time as the engine sees it. Everything in scheduler/ asks a Clock, so that a test can run a year in a second.
#pragma once

#include "flows/time.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include <functional>
#include <map>
#include <memory>
#include <optional>

namespace millrace {

/// Used on the loop's thread only.
class Clock {
public:
    using TimerId = std::uint64_t;
    virtual ~Clock() = default;

    /// The wall clock, UTC.
    [[nodiscard]] virtual Instant now() const = 0;
    /// Time since the machine started, sleep included (CLOCK_BOOTTIME): leases count on it, never on the wall clock.
    [[nodiscard]] virtual std::chrono::microseconds uptime() const = 0;
    /// What the wall clock shows beyond uptime(): it changes when somebody sets the clock, and only then.
    [[nodiscard]] virtual std::chrono::microseconds wall_offset() const { return now().time_since_epoch() - uptime(); }
    /// Calls `action` once, on the loop, at or soon after `at`; an instant in the past means the loop's next turn.
    virtual TimerId call_at(Instant at, std::function<void()> action) = 0;
    /// The same when so much time has passed, wherever the wall clock is set meanwhile: leases, graces and pauses are such.
    virtual TimerId call_after(std::chrono::microseconds time, std::function<void()> action) {
        return call_at(now() + time, std::move(action));
    }
    /// The action will not be called any more. Unknown ids are ignored.
    virtual void cancel(TimerId id) = 0;
};

/// Suspends the caller until `at`. Cancellable: the timer is forgotten and operation_aborted thrown.
[[nodiscard]] boost::asio::awaitable<void> sleep_until(Clock& clock, Instant at);

/// The machine's clock. A wall clock that is set back or forth is noticed within a second, and moves no call_after.
class SystemClock final : public Clock {
public:
    explicit SystemClock(boost::asio::io_context& io);
    ~SystemClock() override;
    [[nodiscard]] Instant now() const override;
    [[nodiscard]] std::chrono::microseconds uptime() const override;
    TimerId call_at(Instant at, std::function<void()> action) override;
    TimerId call_after(std::chrono::microseconds time, std::function<void()> action) override;
    void cancel(TimerId id) override;

private:
    struct Alarm;
    TimerId last_id_ = 0;
    std::unique_ptr<Alarm> wall_, uptime_; ///< for instants of the wall clock, and for times since the machine started
};

/// A clock that moves when a test says so.
class FakeClock final : public Clock {
public:
    explicit FakeClock(Instant start = Instant(std::chrono::days(20000))) : now_(start) {}
    [[nodiscard]] Instant now() const override { return now_; }
    [[nodiscard]] std::chrono::microseconds uptime() const override { return now_.time_since_epoch(); }
    TimerId call_at(Instant at, std::function<void()> action) override;
    void cancel(TimerId id) override;

    /// The instant of the next action, if any waits.
    [[nodiscard]] std::optional<Instant> next() const;
    /// Moves to `at` and performs what is due by then, in order.
    void advance_to(Instant at);

private:
    Instant now_;
    TimerId last_id_ = 0;
    std::map<std::pair<Instant, TimerId>, std::function<void()>> timers_;
};

} // namespace millrace
