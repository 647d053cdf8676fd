/// Batches of one table that meet or come late: an older one must not undo a newer one.
#include "tests/tasks/load_bench.hpp"

using namespace millrace;
using namespace millrace::test;
using postgres::Session;

TEST_CASE("of two first loads of one table at once, the older one waits and is refused") {
    Bench b(require_database());
    const std::string older = b.dataset("select 1 as id, 'old' as name"), newer = b.dataset("select 1 as id, 'new' as name");
    REQUIRE(counts(b.host.attempt(b.order(older, {{"table", "out.other"}}))) == "1 0 0 0");
    Session builder(b.warehouse.url);
    builder.run("BEGIN; CREATE TABLE out.t (x int)"); // holds up the newer load after it has entered the table
    HostProcess first, second;
    first.send(to_line("attempt", b.order(newer, Json::object())));
    REQUIRE(b.warehouse.has_waiting(1));
    second.send(to_line("attempt", b.order(older, Json::object())));
    REQUIRE(b.warehouse.has_waiting(2));
    CHECK_THAT(second.receive("progress").at("step").get<std::string>(),
               Catch::StartsWith("waiting for a lock on out.t (held by pid ") && Catch::Contains(", millrace run 7 of f, active since "));
    builder.run("ROLLBACK");
    CHECK(counts(first.receive("done").get<AttemptDone>()) == "1 0 0 0");
    CHECK_THAT(counts(second.receive("done").get<AttemptDone>()), Catch::Contains("would bring back old values"));
    CHECK(b.warehouse.rows("out.t") == "(1,new)");
}

TEST_CASE("a load that waits for a lock says who holds it, and again when it gives up") {
    Bench b(require_database());
    REQUIRE(counts(b.load("select 1 as id")) == "1 0 0 0");
    Session stranger(b.warehouse.url);
    stranger.run("SET application_name = 'report'; BEGIN; LOCK TABLE out.t");
    const std::string holder = "held by pid " + std::to_string(stranger.backend()) + ", report, idle in transaction since ";
    AttemptOrder order = b.order(b.dataset("select 2 as id"), Json::object());
    order.connections["warehouse"]["url"] = b.warehouse.url + "&options=-c%20lock_timeout%3D3s";
    HostProcess host;
    host.send(to_line("attempt", order));
    CHECK_THAT(host.receive("progress").at("step").get<std::string>(), Catch::StartsWith("waiting for a lock on out.t (" + holder));
    const auto done = host.receive("done").get<AttemptDone>();
    CHECK_THAT(counts(done), Catch::StartsWith("transient: ") && Catch::Contains("lock timeout (out.t " + holder));
    REQUIRE(done.error);
    CHECK_THAT(done.error->remedy, Catch::Contains("pg_terminate_backend(" + std::to_string(stranger.backend()) + ")"));
}

TEST_CASE("an older batch is let in only where nothing that it lacks or holds can undo a newer one") {
    Bench b(require_database());
    const std::string older = b.dataset("select 1 as id, 'old' as name, 1 as version"),
                      newer = b.dataset("select unnest([1, 2]) as id, 'new' as name, 2 as version");
    const auto refused = [&](const std::string& table, Json options) {
        options["table"] = table;
        options["max_deletes"] = {{"percent", 100}};
        CHECK(counts(b.host.attempt(b.order(newer, options))) == "2 0 0 0");
        CHECK_THAT(counts(b.host.attempt(b.order(older, options))), Catch::Contains("would bring back old values"));
        CHECK(b.warehouse.rows(table) == "(1,new,2)\n(2,new,2)");
    };
    refused("out.missing", {{"newest_by", "version"}, {"delete_rule", "missing"}});
    refused("out.marked", {{"newest_by", "version"}, {"delete_rule", "name = 'gone'"}, {"delete_is_sql", true}});
    refused("out.added", {{"mode", "insert_new"}, {"delete_rule", "missing"}});
    refused("out.replaced", {{"newest_by", "version"}, {"mode", "replace"}});
    CHECK(counts(b.host.attempt(b.order(newer, {{"newest_by", "version"}}))) == "2 0 0 0");
    CHECK(counts(b.host.attempt(b.order(older, {{"newest_by", "version"}}))) == "0 0 1 0");
    CHECK(counts(b.host.attempt(b.order(older, {{"mode", "insert_new"}}))) == "0 0 1 0");
    CHECK(b.warehouse.rows("out.t") == "(1,new,2)\n(2,new,2)");
}

TEST_CASE("append does not put an older batch in the place of a newer one of its interval") {
    Bench b(require_database());
    const std::string older = b.dataset("select 1 as x"), newer = b.dataset("select unnest([2, 3]) as x");
    const Json options = {{"mode", "append"}, {"key", Json::array()}};
    CHECK(counts(b.host.attempt(b.order(newer, options))) == "2 0 0 0");
    CHECK_THAT(counts(b.host.attempt(b.order(older, options))), Catch::Contains("newer batch of the same interval"));
    AttemptOrder other_interval = b.order(older, options);
    other_interval.interval_key = "k2";
    CHECK(counts(b.host.attempt(other_interval)) == "1 0 0 0");
    CHECK(b.warehouse.rows("out.t", "x") == "1\n2\n3");
}

TEST_CASE("a table is guarded in its own schema, whichever tables are loaded beside it") {
    Bench b(require_database());
    const std::string older = b.dataset("select 1 as id, 'old' as name"), newer = b.dataset("select 1 as id, 'new' as name");
    const auto table = [](const std::string& name) { return Json{{"table", name}, {"task", "rows"}, {"mode", "upsert"}, {"key", {"id"}}}; };
    const AttemptOrder both = b.order(newer, {{"tables", Json::array({table("a.t"), table("b.u")})}});
    CHECK(counts(b.host.attempt(both)) == "1 0 0 0; 1 0 0 0");
    CHECK(counts(b.host.attempt(both)) == "1 0 0 0 already; 1 0 0 0 already");
    CHECK_THAT(counts(b.host.attempt(b.order(older, {{"table", "b.u"}}))), Catch::Contains("would bring back old values"));
    CHECK(b.warehouse.value("SELECT batch_id FROM b._millrace_ledger") == both.batch_id);
}
