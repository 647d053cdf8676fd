#include "scheduler/loop_lag.hpp"

namespace millrace {
namespace {

constexpr auto period = std::chrono::milliseconds(10);
constexpr auto longest = std::chrono::seconds(2); ///< a process that was stopped does not ring for all of that time

} // namespace

void LoopLag::start() {
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
