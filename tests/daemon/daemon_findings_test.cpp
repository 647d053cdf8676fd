#include "daemon/cli/daemon_findings.hpp"

#include <catch2/catch.hpp>

using namespace millrace;

namespace {

Json healthy() {
    return {{"store", {{"fsync", "on"}, {"synchronous_commit", "on"}}},
            {"journal", {{"journal_alive", 1}}},
            {"journal_away", ""},
            {"staging_lost", ""},
            {"limits_of_others", Json::array()},
            {"held_schedules", Json::array()},
            {"queues", Json::array()}};
}

/// The only one of `facts`.
Finding finding(const Json& facts) {
    const auto all = daemon_findings(facts);
    REQUIRE(all.size() == 1);
    return all.front();
}

} // namespace

TEST_CASE("doctor has nothing to say of a daemon that is well, nor of what an older one does not tell") {
    CHECK(daemon_findings(healthy()).empty());
    CHECK(daemon_findings(Json::object()).empty());
}

TEST_CASE("doctor tells that the store's server does not flush") {
    Json facts = healthy();
    facts["store"]["fsync"] = "off";
    CHECK(finding(facts).ok); // it works as long as nothing crashes
    CHECK_THAT(finding(facts).message, Catch::Contains("fsync off"));
    CHECK_THAT(finding(facts).remedy, Catch::Contains("postgresql.conf"));
}

TEST_CASE("doctor fails while the store takes nothing, and says why") {
    Json facts = healthy();
    facts["journal"]["journal_alive"] = 0;
    CHECK_FALSE(finding(facts).ok);
    CHECK_THAT(finding(facts).message, Catch::Contains("half of a lease"));
    facts["journal_away"] = "ERROR: cannot execute UPDATE in a read-only transaction";
    CHECK_THAT(finding(facts).message, Catch::EndsWith("read-only transaction"));
    facts["journal"]["journal_alive"] = 1; // the lease is not used up yet
    CHECK_FALSE(finding(facts).ok);
}

TEST_CASE("doctor fails while the staging folder is another one than it was") {
    Json facts = healthy();
    facts["staging_lost"] = "the staging folder /srv/shared is not the one of this store";
    CHECK_FALSE(finding(facts).ok);
    CHECK(finding(facts).name == "staging");
    CHECK_THAT(finding(facts).message, Catch::StartsWith("the staging folder /srv/shared"));
}

TEST_CASE("doctor tells which limits are not as this node's millrace.yaml says") {
    Json facts = healthy();
    facts["limits_of_others"].push_back({{"key", "one"}, {"slots", 1}, {"written", 5}});
    CHECK(finding(facts).ok);
    CHECK(finding(facts).message == "the limit 'one' is 1, as other nodes have it; this daemon's millrace.yaml says 5");
    facts["limits_of_others"][0]["written"] = nullptr;
    CHECK_THAT(finding(facts).message, Catch::EndsWith("says nothing of it"));
}

TEST_CASE("doctor fails where the node lacks the time zone of schedules, and names their flows") {
    Json facts = healthy();
    facts["node"] = {{"id", "n1"}};
    facts["zones_missing"] = Json::array({{{"zone", "US/Pacific"}, {"flows", {"a", "b"}}}});
    CHECK_FALSE(finding(facts).ok);
    CHECK(finding(facts).message == "node n1 has no time zone US/Pacific: schedules of a, b rest here");
    CHECK_THAT(finding(facts).remedy, Catch::Contains("tzdata"));
    facts["zones_missing"][0]["flows"] = {"a", "b", "c", "d", "e", "f", "g"};
    CHECK_THAT(finding(facts).message, Catch::Contains("schedules of a, b, c, d, e and 2 more rest here"));
}

TEST_CASE("doctor tells of schedules that are paused after failures, and of queues that grow") {
    Json facts = healthy();
    facts["held_schedules"].push_back({{"flow", "etl"}, {"number", 0}, {"failures", 3}});
    CHECK(finding(facts).ok);
    CHECK(finding(facts).message == "a schedule of etl is paused: 3 of its runs failed in a row");
    CHECK_THAT(finding(facts).remedy, Catch::EndsWith("millrace schedules resume etl"));
    facts = healthy();
    facts["queues"].push_back(
        {{"flow", "etl"}, {"waiting", 40}, {"first", 7}, {"since", "2026-05-01T10:00:00Z"}, {"came", 20}, {"ended", 4}});
    CHECK(finding(facts).ok);
    CHECK_THAT(finding(facts).message, Catch::StartsWith("runs of etl queue up: 40 wait") && Catch::EndsWith("20 came and 4 ended"));
    for (int i = 1; i < 13; ++i) facts["queues"].push_back(facts["queues"][0]);
    CHECK(daemon_findings(facts).size() == 11);
    CHECK(daemon_findings(facts).back().message == "and 3 more");
}
