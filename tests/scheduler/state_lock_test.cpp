#include "scheduler/state_lock.hpp"

#include <catch2/catch.hpp>

#include <fstream>

using namespace millrace;

TEST_CASE("a state folder keeps its mark, another folder has another, and one holds it at a time") {
    const auto base = std::filesystem::temp_directory_path() / ("millrace-lock-" + std::to_string(getpid()));
    const std::string one = base / "one", two = base / "two";
    const auto mark_of = [](const std::string& folder) {
        StateLock lock;
        lock.take(folder);
        return lock.mark();
    };
    const auto first = mark_of(one);
    CHECK(first.size() == 8);
    CHECK(mark_of(one) == first);
    CHECK(mark_of(two) != first);
    {
        StateLock lock;
        lock.take(one);
        CHECK(lock.mark() == first);
        CHECK_THROWS_WITH(mark_of(one), Catch::Contains("another millrace daemon uses the state folder"));
    }
    std::ofstream(one + "/node.lock", std::ios::trunc) << "torn";
    const auto again = mark_of(one);
    CHECK(again.size() == 8);
    CHECK(mark_of(one) == again);
    std::filesystem::remove_all(base);
}
