// What a node concludes that meets its store again.
#include "scheduler/history.hpp"

#include <catch2/catch.hpp>

using namespace millrace;

namespace {

const StorePosition here{"7713", 1, 0x1500718}, later{"7713", 1, 0x1540368};

Verdict found(std::optional<std::int64_t> row, const StorePosition& store = later, const StorePosition& known = here) {
    return judge({known, store, 10, row});
}

} // namespace

TEST_CASE("the number in the node's row settles a commit in doubt") {
    CHECK(found(10) == Verdict::AsLeft);
    CHECK(found(11) == Verdict::Arrived);
    CHECK(found(12) == Verdict::Fenced);
    CHECK(found({}) == Verdict::Fenced);
}

TEST_CASE("a store that went back in time has lost history") {
    CHECK(found(9) == Verdict::Lost);
    CHECK(found(10, here, later) == Verdict::Lost);
    CHECK(found({}, here, later) == Verdict::Lost); // it knows an earlier life of the node, or none
}

TEST_CASE("another cluster or timeline has lost history, for all that the node knows") {
    CHECK(found(10, {"7713", 2, 0x1540368}) == Verdict::Lost);
    CHECK(found(10, {"1234", 1, 0x1540368}) == Verdict::Lost);
    CHECK(found({}, {"7713", 2, 0x1540368}) == Verdict::Lost);
}

TEST_CASE("where the server does not tell where it stands, the node's own number decides") {
    CHECK(found(10, {}, here) == Verdict::AsLeft);
    CHECK(found(10, later, {}) == Verdict::AsLeft);
    CHECK(found(9, {}, {}) == Verdict::Lost);
    CHECK(found({}, {}, {}) == Verdict::Fenced);
}

TEST_CASE("lost history is told with what is known of it") {
    const Return back{here, {"7713", 2, 0x14FFFFF}, 10, 7};
    CHECK(lost_message(back) ==
          "the store failed over or was restored: it is on timeline 2, and was on 1, of this node's commits it has 7, and "
          "10 were acknowledged");
    CHECK(lost_details(back) ==
          Json::parse(R"({"acknowledged": 10, "found": 7, "known": {"system": "7713", "timeline": 1, "wal": "0/1500718"},
                                                "now": {"system": "7713", "timeline": 2, "wal": "0/14FFFFF"}})"));
    CHECK(lost_details({{}, {}, 10, {}}) == Json::parse(R"({"acknowledged": 10, "found": null, "known": {"system": null, "timeline": null,
                                                 "wal": null}, "now": {"system": null, "timeline": null, "wal": null}})"));
}
