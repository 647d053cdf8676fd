#include "connectors/targets/postgres/session.hpp"
#include "tests/skip.hpp"
#include "tests/tasks/host_process.hpp"

using namespace millrace;
using namespace millrace::test;

namespace {

AttemptOrder wait_order(const TempFolder& run, const std::string& sql) {
    AttemptOrder order = order_for(run, "q", "wait", {{"sql", sql}, {"in", "${where}"}});
    order.context.params = {{"where", "warehouse"}, {"day", "2026-11-20T01:00:00Z"}};
    order.context.param_types = {{"where", "connection"}, {"day", "date"}};
    order.connections["warehouse"] = {{"type", "postgres"}, {"url", require_database()}};
    order.origin = {"flows/f.yaml", 4, 5};
    return order;
}

} // namespace

TEST_CASE("a poll without an answer leaves the attempt's log open, and the one with ends it") {
    const TempFolder run;
    HostProcess host;
    const AttemptDone not_yet = host.attempt(wait_order(run, "select 1 where false"));
    CHECK(not_yet.outcome == "not_yet");
    CHECK(not_yet.answer == "no row");
    CHECK_FALSE(not_yet.error);
    CHECK(log_of(wait_order(run, "")).empty());
    // In the flow's zone it is still the day before.
    const AttemptOrder order = wait_order(run, "select $day = date '2026-11-19' and $interval_start_date = $day");
    CHECK(host.attempt(order).outcome == "completed");
    const auto log = log_of(order);
    REQUIRE(log.size() == 2);
    CHECK(log[0]["text"] == "the query answers true");
    CHECK(log[1]["end"] == true);
}

TEST_CASE("a mistake in a query that is waited for names the file and the line") {
    const TempFolder run;
    HostProcess host;
    const AttemptDone done = host.attempt(wait_order(run, "select 1\nfrom nowhere.closed_days"));
    CHECK(done.outcome == "failed");
    REQUIRE(done.error);
    CHECK(done.error->error_class == "permanent");
    CHECK_THAT(done.error->message, Catch::Contains("\"nowhere.closed_days\" does not exist") &&
                                        Catch::EndsWith("(flows/f.yaml:6, line 2 of the SQL: nowhere.closed_days)"));
}

TEST_CASE("a poll that is cancelled ends, and so does its statement") {
    const TempFolder run;
    HostProcess host;
    const AttemptOrder order = wait_order(run, "select pg_sleep(600)");
    postgres::Session session(require_database());
    host.send(to_line("attempt", order));
    const auto asleep = [&] {
        return session.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'millrace run 7 of f' AND state = 'active' "
                             "AND wait_event = 'PgSleep'");
    };
    while (asleep() == "0") {
    }
    host.send(Json({{"type", "cancel"}, {"id", order.id}}).dump() + "\n");
    CHECK(host.receive("done").at("outcome") == "cancelled");
    while (asleep() != "0") {
    }
}
