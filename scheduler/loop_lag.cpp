#include "scheduler/loop_lag.hpp"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace millrace {
namespace {

constexpr auto period = std::chrono::milliseconds(10);
constexpr int favoured = -10;                     ///< nice
constexpr auto longest = std::chrono::seconds(2); ///< a process that was stopped does not ring for all of that time

/// The loop keeps the lease, answers people and starts work, in turns that are short: where all cores are busy with that work it is let
/// in before it. As far as allowed (root, CAP_SYS_NICE, LimitNICE of the unit), and unless somebody chose another priority; the short
/// slice from Linux 6.12 on. What this thread starts inherits neither. sched_setattr(2)
void ask_to_be_let_in() {
    struct Attributes {
        std::uint32_t size, policy;
        std::uint64_t flags;
        std::int32_t nice;
        std::uint32_t priority;
        std::uint64_t slice_ns, deadline, period;
    } attributes{};
    constexpr std::uint64_t reset_on_fork = 1;
    attributes.size = sizeof attributes;
    attributes.policy = static_cast<std::uint32_t>(sched_getscheduler(0));
    if (attributes.policy != SCHED_OTHER) return; // somebody chose another one
    attributes.flags = reset_on_fork;
    attributes.slice_ns = 100'000;
    const int nice = getpriority(PRIO_PROCESS, 0);
    for (const int wanted : {nice == 0 ? favoured : nice, nice}) {
        attributes.nice = wanted;
        if (syscall(SYS_sched_setattr, 0, &attributes, 0U) == 0) return;
    }
}

} // namespace

void LoopLag::start() {
    ask_to_be_let_in();
    timer_.expires_after(period);
    wait();
}

void LoopLag::wait() {
    timer_.async_wait([this](boost::system::error_code ec) {
        if (ec) return;
        const auto lag = std::chrono::steady_clock::now() - timer_.expiry();
        count(lag);
        if (lag > longest)
            timer_.expires_after(period);
        else
            timer_.expires_at(timer_.expiry() + period);
        wait();
    });
}

void LoopLag::count(Seconds lag) {
    for (std::size_t i = 0; i < bounds.size(); ++i)
        if (lag.count() <= bounds[i]) ++no_later_[i];
    ++ticks_;
    sum_ += lag.count();
}

Json LoopLag::figures() const {
    Json le = Json::array();
    for (std::size_t i = 0; i < bounds.size(); ++i) le.push_back({bounds[i], no_later_[i]});
    return {{"le", std::move(le)}, {"sum", sum_}, {"count", ticks_}};
}

} // namespace millrace
