/// How late the loop's thread comes to what is due: a tick that should ring every ten milliseconds, and how long after that it
/// did. What stands before it on the loop, and the machine, make it late. A tick that was missed is counted with its own lag,
/// so that the share of late ticks is the share of time in which the loop was late.
#pragma once

#include "flows/json.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <chrono>
#include <cstdint>

namespace millrace {

/// For the loop's thread. It costs a thousandth of a core.
class LoopLag {
public:
    explicit LoopLag(boost::asio::io_context& io) : timer_(io) {}
    /// Asks the system for short turns of the calling thread too.
    void start();
    void stop() { timer_.cancel(); }
    /// A histogram: {"le": [[seconds, ticks that were no later], ...], "sum": seconds, "count": ticks}.
    [[nodiscard]] Json figures() const;

private:
    using Seconds = std::chrono::duration<double>;
    void wait();
    void count(Seconds lag);

    static constexpr std::array<double, 12> bounds{0.00025, 0.0005, 0.001, 0.002, 0.003, 0.004, 0.005, 0.007, 0.01, 0.02, 0.05, 0.1};
    boost::asio::steady_timer timer_;
    std::array<std::uint64_t, bounds.size()> no_later_{}; ///< by bound
    std::uint64_t ticks_ = 0;
    double sum_ = 0; ///< seconds
};

} // namespace millrace
