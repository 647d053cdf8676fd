#include "daemon/cli/daemon_findings.hpp"

#include <catch2/catch.hpp>

using namespace millrace;

namespace {

Json healthy() { return {{"store", {{"fsync", "on"}, {"synchronous_commit", "on"}}}}; }

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
