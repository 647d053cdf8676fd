#include "connectors/manifest.hpp"
#include "tests/tasks/transform_orders.hpp"

#include <algorithm>

using namespace millrace;
using namespace millrace::test;

TEST_CASE("a transform reads upstream datasets, binds the run's values and writes Parquet under a manifest") {
    const TempFolder run;
    HostProcess host;
    CHECK(host.receive("ready").at("pid") == host.pid());
    const AttemptDone first = transform(host, run, "a", "select i, 'x' || i as t from range(5) r(i)");
    REQUIRE(first.outcome == "completed");
    CHECK(first.rows == 5);
    AttemptOrder order =
        order_for(run, "b", "transform",
                  {{"sql", "select sum(i) as s, $run_at as at, $interval_start_date as day, $from as f, $n + 1 as n from a; -- the end"}});
    order.inputs = {{"a", first.manifest}};
    order.context.params = {{"from", "2026-01-02"}, {"n", 41}};
    order.context.param_types = {{"from", "date"}, {"n", "int"}};
    const AttemptDone second = host.attempt(order);
    if (second.error) FAIL(second.error->message);
    const Json row = rows_of_dataset(host, second.manifest).at(0);
    CHECK(row["s"] == "10");
    CHECK(row["at"] == "2026-11-20T06:00:00Z");
    CHECK(row["day"] == "2026-11-19");
    CHECK(row["f"] == "2026-01-02");
    CHECK(row["n"] == 42);
    const Manifest manifest = read_manifest(second.manifest);
    CHECK(manifest.complete);
    CHECK(manifest.extracted_at == "2026-11-20T06:00:00Z");
    CHECK(manifest.columns.at(3).type == "DATE");
    CHECK(log_of(order).back().at("end") == true);
    CHECK(host.attempt(order).dataset_hash == second.dataset_hash);
}

TEST_CASE("an empty dataset keeps its columns") {
    const TempFolder run;
    HostProcess host;
    const AttemptDone empty = transform(host, run, "a", "select 1::decimal(9,4) as x, {'k': 'v'} as s where false");
    CHECK(empty.rows == 0);
    const AttemptDone next = transform(host, run, "b", "select x, s.k from a", Json::object(), {{"a", empty.manifest}});
    if (next.error) FAIL(next.error->message);
    CHECK(read_manifest(next.manifest).columns.at(0).type == "DECIMAL(9,4)");
}

TEST_CASE("a parameter of type decimal has one type in SQL, whatever its value") {
    const TempFolder run;
    HostProcess host;
    const auto bound = [&](const Json& amount, const std::string& sql) {
        AttemptOrder order = order_for(run, "d", "transform", {{"sql", sql}});
        order.context.params = {{"amount", amount}};
        order.context.param_types = {{"amount", "decimal"}};
        const AttemptDone done = host.attempt(order);
        if (done.error) FAIL(done.error->message);
        const Json row = rows_of_dataset(host, done.manifest).at(0);
        return row["v"].get<std::string>() + " " + read_manifest(done.manifest).columns.at(0).type;
    };
    CHECK(bound("1.5", "select $amount as v") == "1.500000000 DECIMAL(38,9)");
    CHECK(bound("-12345678901234567890123456789.123456789", "select $amount as v") ==
          "-12345678901234567890123456789.123456789 DECIMAL(38,9)");
    CHECK(bound(".5", "select $amount as v") == "0.500000000 DECIMAL(38,9)");
    CHECK(bound(12.25, "select $amount * 1.25 as v") == "15.31250000000 DECIMAL(38,11)");
    CHECK(bound("1000", "select $amount * sum(x::decimal(18,2)) as v from range(1000000) r(x)") ==
          "499999500000000.00000000000 DECIMAL(38,11)");
    CHECK(bound("0.1", "select $amount + sum(x::decimal(18,2)) as v from range(10) r(x)") == "45.100000000 DECIMAL(38,9)");
}

TEST_CASE("SQL reads days and hours off an instant in the flow's zone, and stores the instant") {
    const TempFolder run;
    HostProcess host;
    const auto local = [&](const std::string& zone, const std::string& instants) {
        const Json columns = Json::array({column("moment", "TIMESTAMP WITH TIME ZONE"), column("day", "DATE"),
                                          column("midnight", "TIMESTAMPTZ"), column("hour", "BIGINT")});
        AttemptOrder order = order_for(
            run, "local", "transform",
            {{"sql", "select moment, moment::date as day, date_trunc('day', moment) as midnight, extract(hour from moment) as hour "
                     "from (select unnest([" +
                         instants + "])::timestamptz as moment)"},
             {"contract", {{"columns", columns}}}});
        order.context.timezone = zone;
        const AttemptDone done = host.attempt(order);
        if (done.error) FAIL(done.error->message);
        std::string text;
        for (const Json& row : rows_of_dataset(host, done.manifest))
            text += row["moment"].get<std::string>() + " " + row["day"].get<std::string>() + " " + row["midnight"].get<std::string>() +
                    " " + row["hour"].dump() + "\n";
        return text;
    };
    // The clocks of Berlin go forward at 01:00 UTC, so that day begins at 23:00 UTC and the next at 22:00.
    CHECK(local("Europe/Berlin", "'2026-03-28 22:59:59Z', '2026-03-28 23:00:00Z', '2026-03-29 01:00:00Z', '2026-03-29 22:30:00Z'") ==
          "2026-03-28T22:59:59Z 2026-03-28 2026-03-27T23:00:00Z 23\n2026-03-28T23:00:00Z 2026-03-29 2026-03-28T23:00:00Z 0\n"
          "2026-03-29T01:00:00Z 2026-03-29 2026-03-28T23:00:00Z 3\n2026-03-29T22:30:00Z 2026-03-30 2026-03-29T22:00:00Z 0\n");
    CHECK(local("America/Sao_Paulo", "'2026-11-20 02:30:00Z', '2026-11-20 03:00:00Z'") ==
          "2026-11-20T02:30:00Z 2026-11-19 2026-11-19T03:00:00Z 23\n2026-11-20T03:00:00Z 2026-11-20 2026-11-20T03:00:00Z 0\n");
    // Until 2019 it had summer time, whose first day there began at 01:00.
    CHECK(local("America/Sao_Paulo", "'2018-11-04 02:30:00Z', '2018-11-04 03:00:00Z'") ==
          "2018-11-04T02:30:00Z 2018-11-03 2018-11-03T03:00:00Z 23\n2018-11-04T03:00:00Z 2018-11-04 2018-11-04T03:00:00Z 1\n");
    CHECK(local("UTC", "'2026-03-28 23:00:00Z'") == "2026-03-28T23:00:00Z 2026-03-28 2026-03-28T00:00:00Z 23\n");
}

TEST_CASE("a cast that fails in a row is told with its line and expression") {
    const TempFolder run;
    HostProcess host;
    std::string remedy;
    const auto mistake = [&](const std::string& sql, const Json& contract = Json::object()) {
        AttemptOrder order = order_for(run, "t", "transform", {{"sql", sql}, {"contract", contract}});
        order.origin = {"flows/f.yaml", 6, 7};
        const AttemptDone done = host.attempt(order);
        REQUIRE(done.error);
        CHECK(done.error->error_class == "bad_data");
        remedy = done.error->remedy;
        return done.error->message;
    };
    const std::string rows = "\nfrom (select unnest(['1', 'abc']) as id)";
    CHECK_THAT(mistake("select id,\n  cast(id as int) as n" + rows),
               Catch::Contains("'abc'") && Catch::Contains("column id") &&
                   Catch::EndsWith("(flows/f.yaml:8, line 2 of the SQL: cast(id as int) as n)"));
    CHECK_THAT(remedy, Catch::StartsWith("write try_cast(id as int), which is NULL where"));
    CHECK_THAT(mistake("select\n\n (id || '')::int as n" + rows, {{"columns", Json::array({column("n", "BIGINT")})}}),
               Catch::EndsWith("(flows/f.yaml:9, line 3 of the SQL: (id || '')::int as n)"));
    CHECK_THAT(remedy, Catch::StartsWith("write try_cast((id || '') as int), which"));
}

TEST_CASE("a mistake that only the run finds is told with its place, and what to write") {
    const TempFolder run;
    HostProcess host;
    const auto told = [&](const std::string& sql, const Json& contract = Json::object()) {
        AttemptOrder order = order_for(run, "t", "transform", {{"sql", sql}, {"contract", contract}});
        order.origin = {"flows/f.yaml", 6, 7};
        const AttemptDone done = host.attempt(order);
        REQUIRE(done.error);
        return done.error->message + " / " + done.error->remedy;
    };
    CHECK(told("select 1 as x\n, sum(a) from (select '1' as a)") ==
          "No function matches the given name and argument types 'sum(text)' (flows/f.yaml:8, line 2 of the SQL: sum(a) from (select '1' "
          "as a)) / a is text; cast it to what it means: sum(a::bigint)");
    CHECK_THAT(told("select 1 as x, strptime('2026-01-01', '%Y-%m-%d') as a,\n strptime(s, '%d.%m.%Y') as b from (select '' as s)"),
               Catch::StartsWith("Could not parse string \"\"") &&
                   Catch::Contains("(flows/f.yaml:8, line 2 of the SQL: strptime(s, '%d.%m.%Y') as b") &&
                   Catch::EndsWith(" / write try_strptime(..), which is NULL where the text has another form"));
    CHECK_THAT(told("select 1 as x oder by x"), Catch::StartsWith("syntax error at or near \"oder\" (flows/f.yaml:7, line 1") &&
                                                    Catch::EndsWith("did you mean `order` instead of `oder`?"));
    CHECK_THAT(told("select 1 as x", {{"checks", Json::array({{{"name", "few"}, {"sql", "select * from this where xx > 1"}}})}}),
               Catch::StartsWith("check few: Referenced column \"xx\" not found") && Catch::Contains("flows/f.yaml:6") &&
                   Catch::EndsWith("there are \"x\""));
}

TEST_CASE("mistakes in SQL and contract are told, and the host stays alive") {
    const TempFolder run;
    HostProcess host;
    CHECK_THAT(error_of(transform(host, run, "a", "select nme from (select 1 as name)")).message, Catch::Contains("nme"));
    CHECK_THAT(error_of(transform(host, run, "a", "select 1 as hurs", {{"columns", Json::array({column("hours", "INTEGER")})}})).message,
               Catch::Contains("'hours' that the rows lack"));
    const Json id_and_d = {{"columns", Json::array({column("id", "INTEGER"), column("d", "INTEGER")})}};
    CHECK(error_of(transform(host, run, "a", "select 1 as id", id_and_d)).remedy == "they have id");
    CHECK(error_of(transform(host, run, "a", "select 1 as id, 2 as dd", id_and_d)).remedy == "did you mean 'dd'?");
    CHECK_THAT(error_of(transform(host, run, "a", "select * from read_text('/etc/hostname')")).message,
               Catch::Contains("SQL reads no files"));
    AttemptOrder unknown = order_for(run, "a", "dance", Json::object());
    CHECK_THAT(error_of(host.attempt(unknown)).message, Catch::Contains("no verb 'dance'"));
    Json broken = Json::parse(to_line("attempt", order_for(run, "a", "transform", {{"sql", "select 1 as x"}})));
    broken["attempt"] = "first";
    host.send(broken.dump() + "\n{\"exit\"\n{\"type\":7,\"id\":\"exit\"}\n");
    CHECK(host.receive("done").at("error").at("message").get<std::string>().starts_with("the host cannot read the order: "));
    CHECK(transform(host, run, "a", "select 1 as x").outcome == "completed");
}

TEST_CASE("cancel interrupts a running statement") {
    const TempFolder run;
    HostProcess host;
    const AttemptOrder order =
        order_for(run, "a", "transform", {{"sql", "select count(*) as n from range(100000000000) a(i) where i % 7 = 3"}});
    host.send(to_line("attempt", order));
    ::usleep(300000);
    host.send("{\"type\":\"cancel\",\"id\":" + std::to_string(order.id) + "}\n");
    CHECK(host.receive("done", 10).at("outcome") == "cancelled");
}

TEST_CASE("the rows of a question come in parts, as items each once") {
    const TempFolder run;
    HostProcess host;
    EvaluateOrder order;
    order.id = 7;
    order.sql = "select i % 1200 as n from range(1300) r(i) order by i";
    const auto ask = [&] { // and the first of its answers
        host.send(to_line("evaluate", order));
        return host.receive("rows").get<EvaluateReply>();
    };
    const auto first = ask();
    CHECK(first.more);
    CHECK(first.rows.size() < 1300);
    while (host.receive("rows").get<EvaluateReply>().more) continue;
    host.send(to_line("evaluate", order));
    CHECK(host.rows().rows.size() == 1300);
    order.distinct = true;
    host.send(to_line("evaluate", order));
    const auto items = host.rows();
    CHECK(items.repeated == 100);
    REQUIRE(items.rows.size() == 1200);
    CHECK(items.rows.back() == Json{{"n", 1199}});
    order.sql = "select 1 as n where false";
    CHECK(ask().rows.empty());
}
