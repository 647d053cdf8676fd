#include "flows/state.hpp"

#include <catch2/catch.hpp>

#include <array>

using namespace millrace;
using enum State;

namespace {
constexpr std::array all{Scheduled, Pending, Running, Retrying, Paused, Cancelling, Completed, Failed, Crashed, Cancelled, Skipped};
}

TEST_CASE("a final state never changes") {
    for (const State from : all)
        for (const State to : all)
            if (is_final(from)) CHECK_FALSE(may_become(from, to));
}

TEST_CASE("every state that is not final can end") {
    for (const State from : all) {
        if (is_final(from)) continue;
        CAPTURE(to_string(from));
        CHECK(may_become(from, Cancelled));
    }
}

TEST_CASE("state names read back") {
    for (const State s : all) CHECK(state_from(to_string(s)) == s);
    CHECK_THROWS_AS(state_from("done"), std::invalid_argument);
}
