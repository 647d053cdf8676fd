/// The seeds of a case.
#pragma once

#include <catch2/catch.hpp>

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdlib>
#include <initializer_list>

namespace millrace::test {

inline std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
    const char* text = std::getenv(variable);
    return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

/// Each case has `count` seeds, or MILLRACE_SIMULATION_SEEDS divided by `cost` (that of one seed, of the cheap cases 1), and keeps
/// those that found a fault.
template <class Simulate>
void for_each_seed(std::uint64_t count, Simulate simulate, std::initializer_list<std::uint64_t> found = {}, std::uint64_t cost = 1) {
    spdlog::set_level(spdlog::level::off); // what is refused here is refused on purpose
    for (const auto seed : found) {
        CAPTURE(seed);
        simulate(seed);
    }
    const auto first = number_from("MILLRACE_SIMULATION_FIRST_SEED", 1);
    if (const auto asked = number_from("MILLRACE_SIMULATION_SEEDS", 0)) count = std::max<std::uint64_t>(1, asked / cost);
    for (auto seed = first; seed < first + count; ++seed) {
        CAPTURE(seed);
        simulate(seed);
    }
}

} // namespace millrace::test
