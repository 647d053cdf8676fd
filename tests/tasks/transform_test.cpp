#include "connectors/manifest.hpp"
#include "tests/tasks/host_process.hpp"

#include <algorithm>

using namespace millrace;
using namespace millrace::test;

namespace {

AttemptDone transform(HostProcess& host, const TempFolder& run, const std::string& task, const std::string& sql,
                      const Json& contract = Json::object(), const std::map<std::string, std::string>& inputs = {}) {
    AttemptOrder order = order_for(run, task, "transform", {{"sql", sql}, {"contract", contract}});
    order.inputs = inputs;
    return host.attempt(order);
}

Json column(const std::string& name, const std::string& type, Json more = Json::object()) {
    more["name"] = name;
    more["type"] = type;
    return more;
}

} // namespace

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

TEST_CASE("a contract casts exactly; what does not fit is rejected with its reason, and counted") {
    const TempFolder run;
    HostProcess host;
    const std::string sql = "select * from (values (1, '1.50', 'a', 10.25, '2026-01-01'), (2, 'abc', 'b', 1, '2026-01-01'), (3, '1.23456', "
                            "'c', 2, '2026-01-01'),"
                            " (4, '7', null, 3, '2026-01-01'), (5, '8', 'e', -1, '2026-01-01'), (1, '9', 'f', 4, '2026-01-01'), (7, '9', "
                            "'g', 4.001, '2026-01-01'),"
                            " (8, '9', 'h', 4, '2026-01-01 10:00:00')) v(id, amount, name, hours, day)";
    const Json columns =
        Json::array({column("id", "INTEGER", {{"unique", true}}), column("amount", "DECIMAL(9,4)"), column("name", "VARCHAR"),
                     column("hours", "DECIMAL(9,2)", {{"check", "hours >= 0"}}), column("day", "DATE")});
    const AttemptDone kept =
        transform(host, run, "q", sql, {{"columns", columns}, {"rejects", {{"max", {{"count", 7}}}, {"to", "quarantine"}}}});
    if (kept.error) FAIL(kept.error->message);
    CHECK(kept.rows == 1);
    CHECK(kept.rejected == 7);
    const Manifest manifest = read_manifest(kept.manifest);
    CHECK_FALSE(manifest.complete);
    CHECK(rows_of_dataset(host, kept.manifest).at(0) ==
          Json({{"id", 1}, {"amount", "1.5000"}, {"name", "a"}, {"hours", "10.25"}, {"day", "2026-01-01"}}));
    CHECK(kept.rejects == run.path + "/q/" + manifest.quarantine);
    const auto why = rows_of_dataset(host, kept.rejects, "select * from d order by cast(_position as int)");
    REQUIRE(why.size() == 7);
    const auto is = [&](std::size_t row, const char* column, const char* rule, const Json& value) {
        CHECK(why[row]["_column"] == column);
        CHECK(why[row]["_rule"] == rule);
        CHECK(why[row]["_value"] == value);
    };
    is(0, "amount", "does not fit DECIMAL(9,4)", "abc");
    is(1, "amount", "does not fit DECIMAL(9,4)", "1.23456");
    is(2, "name", "is null", nullptr);
    is(3, "hours", "breaks check (hours >= 0)", "-1.00");
    is(4, "id", "is there twice", "1");
    is(5, "hours", "does not fit DECIMAL(9,2)", "4.001");
    is(6, "day", "does not fit DATE", "2026-01-01 10:00:00");
    CHECK(why[0]["_position"] == "2");
    CHECK(Json::parse(why[0]["_raw"].get<std::string>())["amount"] == "abc");
    CHECK(Json::parse(why[4]["_raw"].get<std::string>())["name"] == "f"); // the rule is over several rows

    const AttemptDone refused = transform(host, run, "r", sql, {{"columns", columns}});
    CHECK(refused.outcome == "failed");
    REQUIRE(refused.error);
    CHECK(refused.error->error_class == "bad_data");
    CHECK(refused.error->message ==
          "7 of 8 rows break the contract, none is allowed: amount does not fit DECIMAL(9,4) in 2 rows ('abc' where id is 2, '1.23456' "
          "where id is 3); hours breaks check (hours >= 0) in 1 row ('-1.00' where id is 5); day does not fit DATE in 1 row ('2026-01-01 "
          "10:00:00' where id is 8); and more");
    CHECK_THAT(refused.error->remedy, Catch::EndsWith("look at the rejected rows: millrace data head 7.r --rejected"));
    CHECK_FALSE(std::filesystem::exists(run.path + "/r/manifest.json"));
    CHECK(refused.rejected == 7);
    CHECK(rows_of_dataset(host, refused.rejects).size() == 7);

    const AttemptDone forgotten =
        transform(host, run, "s", sql, {{"columns", columns}, {"rejects", {{"max", {{"count", 6}}}, {"to", "drop"}}}});
    REQUIRE(forgotten.error);
    CHECK_THAT(forgotten.error->message, Catch::StartsWith("7 of 8 rows break the contract, at most 6 are allowed: amount does not fit"));
    CHECK(forgotten.rejected == 7);
    CHECK(forgotten.rejects.empty());
    CHECK_THAT(forgotten.error->remedy, !Catch::Contains("--rejected"));
}

TEST_CASE("a rejected row is told by its key, whatever the key is called") {
    const TempFolder run;
    HostProcess host;
    const Json columns = Json::array({column("a\"b/c~d", "INTEGER", {{"unique", true}}), column("n", "INTEGER")});
    const AttemptDone refused = transform(host, run, "t", "select 7 as \"a\"\"b/c~d\", 'x' as n", {{"columns", columns}});
    REQUIRE(refused.error);
    CHECK_THAT(refused.error->message, Catch::EndsWith("n does not fit INTEGER in 1 row ('x' where a\"b/c~d is 7)"));
}

TEST_CASE("nothing that is told of sensitive rows holds their values") {
    const TempFolder run;
    HostProcess host;
    const AttemptDone people = transform(host, run, "people", "select 'Ada Lovelace' as name, 'x' as age");
    Manifest sensitive = read_manifest(people.manifest);
    sensitive.sensitive = true;
    (void)write_manifest(run.path + "/people", sensitive);
    const Json columns = Json::array({column("name", "VARCHAR", {{"unique", true}}), column("age", "INTEGER")});
    const AttemptDone refused = transform(host, run, "ages", "select * from people", {{"columns", columns}}, {{"people", people.manifest}});
    REQUIRE(refused.error);
    CHECK(refused.error->message == "1 of 1 rows break the contract, none is allowed: age does not fit INTEGER in 1 row");
    CHECK(read_manifest(refused.rejects).sensitive);
    CHECK(rows_of_dataset(host, refused.rejects).at(0)["_value"].is_null());
}

TEST_CASE("of the rows that make a task fail ten thousand are kept, and all are counted") {
    const TempFolder run;
    HostProcess host;
    const Json columns = Json::array({column("n", "INTEGER", {{"check", "n < 0"}})});
    const AttemptDone refused = transform(host, run, "t", "select i::int as n from range(20000) r(i)", {{"columns", columns}});
    REQUIRE(refused.error);
    CHECK_THAT(refused.error->message, Catch::StartsWith("20,000 of 20,000 rows break the contract"));
    CHECK(refused.rejected == 20000);
    CHECK(read_manifest(refused.rejects).rows == 10000);
    const AttemptDone kept = transform(host, run, "u", "select i::int as n from range(20000) r(i)",
                                       {{"columns", columns}, {"rejects", {{"max", {{"count", 20000}}}, {"to", "quarantine"}}}});
    CHECK(read_manifest(kept.rejects).rows == 20000);
}

TEST_CASE("exact casts that keep every value raise nothing") {
    const TempFolder run;
    HostProcess host;
    const Json columns =
        Json::array({column("a", "INTEGER"), column("b", "DECIMAL(18,6)"), column("c", "TIMESTAMP WITH TIME ZONE"), column("d", "VARCHAR"),
                     column("e", "BIGINT"), column("f", "DOUBLE"), column("g", "BIGINT[]"), column("h", "TIMESTAMPTZ")});
    const AttemptDone done = transform(host, run, "t",
                                       "select 5::bigint as a, 0.1::double as b, '2026-01-01 10:00:00.5-03' as c, 12.50 as d, '42' as e, 3 "
                                       "as f, [1, 2] as g, $run_at as h",
                                       {{"columns", columns}});
    if (done.error) FAIL(done.error->message);
    CHECK(rows_of_dataset(host, done.manifest).at(0)["b"] == "0.100000");
    const AttemptDone third = transform(host, run, "u", "select 1/3 as b", {{"columns", Json::array({column("b", "DECIMAL(9,4)")})}});
    REQUIRE(third.error);
    CHECK_THAT(third.error->message, Catch::Contains("b does not fit DECIMAL(9,4) in 1 row ('0.3333333333333333')"));
    CHECK_THAT(third.error->remedy,
               Catch::StartsWith("nothing is rounded silently: write round(b, 4) in the SQL, or declare a wider decimal; "));
    const AttemptDone text = transform(host, run, "v", "select 'abc' as b", {{"columns", Json::array({column("b", "DECIMAL(9,4)")})}});
    REQUIRE(text.error);
    CHECK_THAT(text.error->remedy, Catch::Equals("look at the rejected rows: millrace data head 7.v --rejected"));
}

TEST_CASE("what a division by zero leaves is told as that, with the line of its column in the contract") {
    const TempFolder run;
    HostProcess host;
    const auto failed = [&](const std::string& sql, const Json& contract_column) {
        AttemptOrder order = order_for(run, "t", "transform", {{"sql", sql}, {"contract", {{"columns", Json::array({contract_column})}}}});
        order.origin = {"flows/f.yaml", 6, 7, {{"n", 12}}};
        const AttemptDone done = host.attempt(order);
        REQUIRE(done.error);
        return done.error->message + " / " + done.error->remedy;
    };
    CHECK_THAT(failed("select 5 // (id - id) as n from range(3) r(id)", column("n", "BIGINT")),
               Catch::Contains("n is null in 3 rows (flows/f.yaml:12) / x // 0 and x % 0 are NULL; give it a value in the SQL, "
                               "coalesce(n, ..), or let it be NULL"));
    CHECK_THAT(failed("select null::int as n", column("n", "BIGINT")), Catch::Contains("(flows/f.yaml:12) / give it a value in the SQL"));
    CHECK_THAT(failed("select round(sum(id)::double / (count(*) - count(*)), 2) as n from range(3) r(id)", column("n", "DECIMAL(18,2)")),
               Catch::Contains("n does not fit DECIMAL(18,2) in 1 row ('inf'; flows/f.yaml:12) / floating-point numbers divided by zero") &&
                   Catch::Contains("nullif(divisor, 0)") && !Catch::Contains("round"));
}

TEST_CASE("rejected rows are kept of a task that a check fails") {
    const TempFolder run;
    HostProcess host;
    const auto failed = [&](const std::string& task, const std::string& check) {
        const Json contract = {{"columns", Json::array({column("n", "INTEGER")})},
                               {"checks", Json::array({{{"name", "some"}, {"sql", check}, {"severity", "error"}}})},
                               {"rejects", {{"max", {{"count", 1}}}, {"to", "quarantine"}}}};
        const AttemptDone done = transform(host, run, task, "select unnest(['1', 'x']) as n", contract);
        REQUIRE(done.error);
        const Json kept = rows_of_dataset(host, done.rejects);
        CHECK(done.rejected == static_cast<std::int64_t>(kept.size()));
        CHECK(std::count_if(kept.begin(), kept.end(), [](const Json& row) { return row["_value"] == "x"; }) == 1);
        CHECK_THAT(done.error->remedy, Catch::EndsWith("look at the rejected rows: millrace data head 7." + task + " --rejected"));
        return std::to_string(done.rejected) + ", " + done.error->message;
    };
    CHECK(failed("a", "select * from this where n = 1") == "2, check some: 1 row breaks it ({\"n\":1})");
    CHECK_THAT(failed("b", "select * from nowhere"), Catch::StartsWith("1, ") && Catch::Contains("nowhere"));
}

TEST_CASE("rows that break a check are kept to be looked at, up to a thousand") {
    const TempFolder run;
    HostProcess host;
    const auto failed = [&](const std::string& check, const std::string& severity = "error") {
        AttemptOrder order =
            order_for(run, "c", "transform",
                      {{"sql", "select i as n, 'it''s ' || repeat('x', 300) as t, 1.50 as \"odd \"\"name\" from range(2500) r(i)"},
                       {"contract", {{"checks", Json::array({{{"name", "few"}, {"sql", check}, {"severity", severity}}})}}}});
        order.context.params = {{"most", 0}};
        order.context.param_types = {{"most", "int"}};
        return host.attempt(order);
    };
    const AttemptDone done = failed("select * from this where n >= $most order by n desc; -- the last first");
    REQUIRE(done.error);
    CHECK(done.error->error_class == "bad_data");
    CHECK_THAT(done.error->message, Catch::StartsWith("check few: 2,500 rows break it ({\"n\":2499,\"t\":\"it's xx") &&
                                        Catch::Contains("x..., {\"n\":2498,") && Catch::EndsWith("x...)"));
    CHECK(done.error->message.size() < 500);
    CHECK(done.error->remedy == "look at the rejected rows: millrace data head 7.c --rejected");
    CHECK(done.rejected == 2500);
    const Json kept = rows_of_dataset(host, done.rejects);
    REQUIRE(kept.size() == 1000);
    CHECK(kept[0]["_rule"] == "breaks check few");
    CHECK(kept[999]["_position"] == "1000");
    const Json row = Json::parse(kept[999]["_raw"].get<std::string>());
    CHECK(row.at("n") == 1500);
    CHECK(row.at("odd \"name") == 1.5);
    CHECK_THAT(failed("select n, n + 1 as n from this where n = 7").error->message,
               Catch::EndsWith("1 row breaks it ({\"n\":7,\"n_1\":8})"));
}

TEST_CASE("a check of severity warn tells some of the rows, but none that are sensitive") {
    const TempFolder run;
    HostProcess host;
    const auto warned = [&](bool sensitive) {
        const Json checks = Json::array({{{"name", "few"}, {"sql", "select * from this where n > 6"}, {"severity", "warn"}}});
        const auto numbers = host.attempt(order_for(run, "d", "transform", {{"sql", "select i as n from range(10) r(i)"}})).manifest;
        Json manifest = Json::parse(std::ifstream(numbers));
        manifest["sensitive"] = sensitive;
        std::ofstream(numbers) << manifest.dump();
        AttemptOrder order = order_for(run, "w", "transform", {{"sql", "select * from d"}, {"contract", {{"checks", checks}}}});
        order.inputs = {{"d", numbers}};
        host.send(to_line("attempt", order));
        const std::string message = host.receive("event").at("message");
        CHECK(host.receive("done").at("outcome") == "completed");
        return message;
    };
    CHECK(warned(false) == "check few: 3 rows break it ({\"n\":7}, {\"n\":8})");
    CHECK(warned(true) == "check few: 3 rows break it");
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
    CHECK(
        told("select 1 as x\n, sum(a) from (select '1' as a)") ==
        "No function matches the given name and argument types 'sum(VARCHAR)' (flows/f.yaml:8, line 2 of the SQL: sum(a) from (select '1' "
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

TEST_CASE("a text that is a local time is one in every zone") {
    const TempFolder run;
    HostProcess host;
    for (const char* zone : {"UTC", "Europe/Berlin"}) {
        AttemptOrder order =
            order_for(run, "t", "transform",
                      {{"sql", "select unnest(['2026-03-29 02:30:00', '2026-03-29T02:30:00Z', '2026-03-29', "
                               "'2026-03-29 02:30:00+02', '2026-03-29 02:30:00.5-00:30']) as at"},
                       {"contract",
                        {{"columns", Json::array({column("at", "TIMESTAMP")})}, {"rejects", {{"max", {{"count", 9}}}, {"to", "drop"}}}}}});
        order.context.timezone = zone;
        const AttemptDone done = host.attempt(order);
        if (done.error) FAIL(done.error->message);
        CHECK(done.rows == 3);
        CHECK(done.rejected == 2);
    }
}

TEST_CASE("instants, local times and dates are three types, and a text is an instant by its offset") {
    const TempFolder run;
    HostProcess host;
    const auto mistake = [&](const std::string& value, const std::string& type) {
        const AttemptDone done = transform(host, run, "t", "select " + value + " as at", {{"columns", Json::array({column("at", type)})}});
        return done.error ? done.error->error_class + ": " + done.error->message : "";
    };
    CHECK_THAT(mistake("timestamp '2026-01-01 10:00:00'", "TIMESTAMP WITH TIME ZONE"),
               Catch::StartsWith("permanent: ") && Catch::Contains("a local time is no instant"));
    CHECK_THAT(mistake("date '2026-01-01'", "TIMESTAMPTZ"), Catch::Contains("a date is no instant"));
    CHECK_THAT(mistake("timestamptz '2026-01-01 10:00:00+00'", "TIMESTAMP"), Catch::Contains("an instant is no local time"));
    CHECK_THAT(mistake("timestamptz '2026-01-01 00:00:00+00'", "DATE"), Catch::Contains("an instant is no date"));
    CHECK(mistake("date '2026-01-01'", "TIMESTAMP") == "");
    for (const char* text : {"2026-01-01", "2026-01-01 10:00:00", "2026-01-01T10:00:00.123", "2026-01-01 10:00"})
        CHECK_THAT(mistake("'" + std::string(text) + "'", "TIMESTAMP WITH TIME ZONE"),
                   Catch::StartsWith("bad_data: ") && Catch::Contains("does not fit TIMESTAMP WITH TIME ZONE"));
    for (const char* text : {"2026-01-01T10:00:00Z", "2026-01-01 10:00:00.25-03:00", "2026-01-01 10:00:00+0530", "2026-01-01 10:00:00-03"})
        CHECK(mistake("'" + std::string(text) + "'", "TIMESTAMP WITH TIME ZONE") == "");
}

TEST_CASE("references and checks look at other rows") {
    const TempFolder run;
    HostProcess host;
    const AttemptDone people = transform(host, run, "people", "select i as id from range(3) r(i)");
    const Json columns =
        Json::array({column("person", "BIGINT", {{"references_task", "people"}, {"references_column", "id"}, {"nullable", true}})});
    const AttemptDone dangling = transform(host, run, "x", "select unnest([0, null, 9]) as person from people where id = 0",
                                           {{"columns", columns}}, {{"people", people.manifest}});
    REQUIRE(dangling.error);
    CHECK_THAT(dangling.error->message, Catch::Contains("person is not in people(id) in 1 row ('9')"));
    const Json checks = Json::array({{{"name", "few"}, {"sql", "select * from this where n > 1"}, {"severity", "error"}}});
    const AttemptDone broken =
        transform(host, run, "y", "select count(*) as n from people", {{"checks", checks}}, {{"people", people.manifest}});
    REQUIRE(broken.error);
    CHECK(broken.error->message == "check few: 1 row breaks it ({\"n\":3})");
}

TEST_CASE("mistakes in SQL and contract are told, and the host stays alive") {
    const TempFolder run;
    HostProcess host;
    CHECK_THAT(transform(host, run, "a", "select nme from (select 1 as name)").error->message, Catch::Contains("nme"));
    CHECK_THAT(transform(host, run, "a", "select 1 as hurs", {{"columns", Json::array({column("hours", "INTEGER")})}}).error->message,
               Catch::Contains("'hours' that the rows lack"));
    CHECK_THAT(transform(host, run, "a", "select * from read_text('/etc/hostname')").error->message, Catch::Contains("SQL reads no files"));
    AttemptOrder unknown = order_for(run, "a", "dance", Json::object());
    CHECK_THAT(host.attempt(unknown).error->message, Catch::Contains("no verb 'dance'"));
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
