// What a contract lets through, what it rejects, and how that is told.
#include "connectors/manifest.hpp"
#include "tasks/row_json.hpp"
#include "tests/tasks/transform_orders.hpp"

using namespace millrace;
using namespace millrace::test;

TEST_CASE("a contract casts exactly, what does not fit is rejected with its reason, and counted") {
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
    is(0, "amount", "does not fit decimal(9,4)", "abc");
    is(1, "amount", "does not fit decimal(9,4)", "1.23456");
    is(2, "name", "is null", nullptr);
    is(3, "hours", "breaks check (hours >= 0)", "-1");
    is(4, "id", "is there twice", "1");
    is(5, "hours", "does not fit decimal(9,2)", "4.001");
    is(6, "day", "does not fit date", "2026-01-01 10:00:00");
    CHECK(why[0]["_position"] == "2");
    CHECK(Json::parse(why[0]["_raw"].get<std::string>())["amount"] == "abc");
    CHECK(Json::parse(why[4]["_raw"].get<std::string>())["name"] == "f"); // the rule is over several rows

    const AttemptDone refused = transform(host, run, "r", sql, {{"columns", columns}});
    CHECK(refused.outcome == "failed");
    REQUIRE(refused.error);
    CHECK(refused.error->error_class == "bad_data");
    CHECK(refused.error->message ==
          "7 of 8 rows break the contract, none is allowed: amount does not fit decimal(9,4) in 2 rows ('abc' where id is 2, '1.23456' "
          "where id is 3); hours breaks check (hours >= 0) in 1 row ('-1' where id is 5); day does not fit date in 1 row ('2026-01-01 "
          "10:00:00' where id is 8); and more; a row is counted once, under the first rule that it breaks");
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
    CHECK_THAT(refused.error->message, Catch::EndsWith("n does not fit int in 1 row ('x' where a\"b/c~d is 7)"));
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
    CHECK(refused.error->message == "1 of 1 rows break the contract, none is allowed: age does not fit int in 1 row");
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
    CHECK_THAT(third.error->message, Catch::Contains("b does not fit decimal(9,4) in 1 row ('0.3333333333333333')"));
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
    CHECK_THAT(failed("with a as (select round(5 // (id - id), 2) as n, id from range(3) r(id)) select n from a", column("n", "BIGINT")),
               Catch::Contains("x // 0"));
    CHECK_THAT(failed("select null::int as n", column("n", "BIGINT")), Catch::Contains("(flows/f.yaml:12) / give it a value in the SQL"));
    CHECK_THAT(failed("select n from (select 6 / 2 as half, null::int as n)", column("n", "BIGINT")), !Catch::Contains("x // 0"));
    CHECK_THAT(failed("select round(sum(id)::double / (count(*) - count(*)), 2) as n from range(3) r(id)", column("n", "DECIMAL(18,2)")),
               Catch::Contains("n does not fit decimal(18,2) in 1 row ('inf'; flows/f.yaml:12) / floating-point numbers divided by zero") &&
                   Catch::Contains("nullif(divisor, 0)") && !Catch::Contains("round"));
}

TEST_CASE("a rejected row is JSON whatever its numbers are, and keeps their digits") {
    const TempFolder run;
    HostProcess host;
    const auto raw = [&](const std::string& value, bool by_a_check = false) {
        const Json contract = by_a_check
                                  ? Json{{"checks", Json::array({{{"name", "none"}, {"sql", "from this"}, {"severity", "error"}}})}}
                                  : Json{{"columns", Json::array({column("id", "INTEGER", {{"unique", true}}),
                                                                  column("v", "VARCHAR", {{"nullable", true}, {"check", "id > 9"}})})}};
        const AttemptDone done = transform(host, run, "r", "select 7 as id, " + value + " as v", contract);
        REQUIRE(done.error);
        return rows_of_dataset(host, done.rejects).at(0)["_raw"].get<std::string>();
    };
    for (const bool by_a_check : {false, true}) {
        CHECK(raw("'inf'::double", by_a_check) == R"({"id":7,"v":"inf"})");
        CHECK(raw("'-inf'::float", by_a_check) == R"({"id":7,"v":"-inf"})");
        CHECK(raw("'nan'::double", by_a_check) == R"({"id":7,"v":"nan"})");
        CHECK(raw("null::double", by_a_check) == R"({"id":7,"v":null})");
        CHECK(raw("2.50::decimal(9,2)", by_a_check) == R"({"id":7,"v":2.5})");
        CHECK(raw(".5::decimal(2,2)", by_a_check) == R"({"id":7,"v":0.5})");
        CHECK(raw("1234567890123456789.25::decimal(38,2)", by_a_check) == R"({"id":7,"v":"1234567890123456789.25"})");
    }
    CHECK(raw("(-170141183460469231731687303715884105728)::hugeint") == R"({"id":7,"v":"-170141183460469231731687303715884105728"})");
    CHECK(raw("5::hugeint") == R"({"id":7,"v":5})");
}

TEST_CASE("a row that breaks no rule is not written as JSON for it") { // DuckDB computes for every row what stands in a condition twice
    for (const char* type : {"DOUBLE", "FLOAT", "DECIMAL(9,2)", "HUGEINT", "VARCHAR"})
        for (const std::string& sql : {shown_json("r.amount", type), shown_text("r.amount", type)}) {
            CAPTURE(sql);
            const auto at = sql.find("r.amount");
            REQUIRE(at != std::string::npos);
            CHECK(sql.find("r.amount", at + 1) == std::string::npos);
        }
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
                   Catch::StartsWith("bad_data: ") && Catch::Contains("does not fit timestamptz"));
    for (const char* text : {"2026-01-01T10:00:00Z", "2026-01-01 10:00:00.25-03:00", "2026-01-01 10:00:00+0530", "2026-01-01 10:00:00-03"})
        CHECK(mistake("'" + std::string(text) + "'", "TIMESTAMP WITH TIME ZONE") == "");
}
