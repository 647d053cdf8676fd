#include "loop.hpp"
#include "scheduler/loop_lag.hpp"

#include <boost/asio/post.hpp>

#include <catch2/catch.hpp>

using namespace millrace;

TEST_CASE("a handler that keeps the loop counts for as long as it does so") {
    boost::asio::io_context io;
    LoopLag lag(io);
    lag.start();
    boost::asio::post(io, [] {
        const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
        while (std::chrono::steady_clock::now() < end) continue;
    });
    const auto ticks = [&] { return lag.figures().at("count").get<int>(); };
    test::run_until(io, [&] { return ticks() >= 10; });
    const auto figures = lag.figures();
    const auto no_later = [&](double bound) {
        for (const auto& bucket : figures.at("le"))
            if (bucket[0] == bound) return bucket[1].get<int>();
        return -1;
    };
    CHECK(ticks() - no_later(0.05) >= 4); // of ten ticks that were due meanwhile
    CHECK(no_later(0.05) >= no_later(0.01));
    CHECK(no_later(0.00025) >= 0);
    lag.stop();
    io.restart();
    CHECK(io.run() >= 1); // and nothing is left to wait for
}
