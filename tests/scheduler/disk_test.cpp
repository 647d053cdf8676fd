// A disk without room: what is decided, what the guard does about it, and what waits.
#include "../folder.hpp"
#include "scheduler/disk_guard.hpp"

#include <catch2/catch.hpp>

#include <filesystem>

using namespace millrace;
using namespace millrace::test;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t mib = 1ULL << 20, gib = 1ULL << 30;

struct Guarded {
    DiskGuard make() {
        return {clock, "/staging", folder.path.string(), [this](const EventRow& event) { told.push_back(event.kind); },
                [this](const std::string& of) { return std::optional(of == "/staging" ? staging : state); }};
    }
    [[nodiscard]] bool has_reserve() const { return std::filesystem::exists(folder.path.string() + "/ballast"); }

    Folder folder;
    FakeClock clock;
    DiskSpace staging{100 * gib, 200 * gib}, state{100 * gib, 200 * gib};
    std::vector<std::string> told;
};

} // namespace

TEST_CASE("task runs begin while 1 % of a disk is free, at least 512 MiB and at most 4 GiB, of a small disk a tenth") {
    CHECK(enough_free({0, 100 * gib}) == 1 * gib);
    CHECK(enough_free({0, 20 * gib}) == 512 * mib);
    CHECK(enough_free({0, 4000 * gib}) == 4 * gib);
    CHECK(enough_free({0, 1 * gib}) == gib / 10);
}

TEST_CASE("a shortage is told with what is free, where, and what is needed") {
    CHECK(told_shortage({5'000'000, 20 * gib}, "/staging") == "5 MB are free in /staging, task runs begin with 536 MB");
    CHECK(told_shortage({512 * mib, 20 * gib}, "/staging").empty());
}

TEST_CASE("the reserve is given up when little more is left, and made again when there is room for it beside what runs need") {
    const auto disk = [](std::uint64_t free) { return DiskSpace{free, 20 * gib}; };
    CHECK(reserve_size(disk(0)) == 64 * mib);
    CHECK(reserve_size({0, 100 * mib}) == 2 * mib);
    CHECK(reserve_step(disk(16 * mib), 64 * mib) == ReserveStep::Keep);
    CHECK(reserve_step(disk(16 * mib - 1), 64 * mib) == ReserveStep::GiveUp);
    CHECK(reserve_step(disk(512 * mib), 0) == ReserveStep::Keep);
    CHECK(reserve_step(disk(576 * mib), 0) == ReserveStep::Make);
}

TEST_CASE("a full staging disk is told once, and once when it has room again") {
    Guarded g;
    auto guard = g.make();
    for (const std::uint64_t free : {100 * gib, 3 * mib, 2 * mib, 100 * gib, 100 * gib}) {
        g.staging.free = free;
        guard.look();
        CHECK(guard.shortage().empty() == (free == 100 * gib));
    }
    CHECK(g.told == std::vector<std::string>{"disk_full", "disk_free"});
}

TEST_CASE("staging is not measured anew for each that asks in one turn") {
    Guarded g;
    auto guard = g.make();
    g.staging.free = 1 * mib;
    CHECK(guard.shortage().empty());
    g.clock.advance_to(g.clock.now() + 200ms);
    CHECK(guard.shortage() == "1 MB are free in /staging, task runs begin with 2147 MB");
}

TEST_CASE("the reserve is a file that takes its place on the disk, and a daemon that starts again finds it") {
    Guarded g;
    {
        auto guard = g.make();
        guard.look();
        REQUIRE(g.has_reserve());
        CHECK(guard.figures().at("reserve_bytes") == 64 * mib);
    }
    auto guard = g.make();
    CHECK(guard.figures().at("reserve_bytes").get<std::uint64_t>() >= 64 * mib);
    g.state.free = 1 * mib;
    guard.look();
    CHECK_FALSE(g.has_reserve());
    CHECK(g.told == std::vector<std::string>{"disk_full"});
    guard.look();
    CHECK(g.told.size() == 1);
    g.state.free = 100 * gib;
    guard.look();
    CHECK(g.has_reserve());
}

TEST_CASE("a disk that cannot be asked keeps nothing from beginning") {
    Guarded g;
    DiskGuard guard(g.clock, "/gone", "/gone", [](const EventRow&) {});
    guard.look();
    CHECK(guard.shortage().empty());
}
