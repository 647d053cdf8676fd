/// The loop of a test: it runs until what the test waits for has happened.
#pragma once

#include <boost/asio/io_context.hpp>

#include <catch2/catch.hpp>

#include <chrono>
#include <functional>

namespace millrace::test {

inline void run_until(boost::asio::io_context& io, const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition() && std::chrono::steady_clock::now() < deadline) {
        io.restart();
        io.run_for(std::chrono::milliseconds(2));
    }
    REQUIRE(condition());
}

} // namespace millrace::test
