#include "connectors/duckdb/api.hpp"
#include "connectors/duckdb/database.hpp"
#include "connectors/duckdb/query_error.hpp"

#include <catch2/catch.hpp>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>

using namespace millrace;
using duckdb::Database;
using duckdb::Value;

namespace {

struct TempFolder {
    TempFolder() {
        std::string name = "/tmp/millrace-duckdb-XXXXXX";
        path = mkdtemp(name.data());
    }
    ~TempFolder() { std::filesystem::remove_all(path); }
    std::string path;
};

duckdb::QueryError mistake(duckdb::Connection& db, const std::string& sql) {
    try {
        (void)db.prepare(sql);
    } catch (const duckdb::QueryError& e) {
        return e;
    }
    FAIL("no mistake in: " << sql);
    throw;
}

} // namespace

TEST_CASE("every function that we declare is in DuckDB's library") { REQUIRE(duckdb::library_version().starts_with("v1.")); }

TEST_CASE("values of every type arrive exactly") {
    const Database database({});
    auto db = database.connect();
    auto rows =
        db.query(
              "select true b, 1::tinyint t, (-32768)::smallint s, 2147483647 i, 9223372036854775807 l, 18446744073709551615::ubigint u,"
              " 170141183460469231731687303715884105727::hugeint h, 12345678901234567890.123456789::decimal(38,9) d, -0.05::decimal(4,2) n,"
              " 'héllo, a longer text than twelve bytes' v, date '2026-03-29' y, timestamp '2026-03-29 02:30:00.5' z,"
              " timestamptz '2026-03-29 02:30:00+02' tz, uuid '00112233-4455-6677-8899-aabbccddeeff' g, [1, null, 3] a,"
              " {'x': 1, 'y': ['p']} o, '{\"k\": 2}'::json j, 'b'::enum('a','b') e, null q, time '10:20:30' w, map {'k': 1.5} m")
            .rows(10);
    REQUIRE(rows.size() == 1);
    const Json& r = rows[0];
    CHECK(r["b"] == true);
    CHECK(r["s"] == -32768);
    CHECK(r["l"] == 9223372036854775807);
    CHECK(r["u"] == 18446744073709551615u);
    CHECK(r["h"] == "170141183460469231731687303715884105727");
    CHECK(r["d"] == "12345678901234567890.123456789");
    CHECK(r["n"] == "-0.05");
    CHECK(r["v"] == "héllo, a longer text than twelve bytes");
    CHECK(r["y"] == "2026-03-29");
    CHECK(r["z"] == "2026-03-29T02:30:00.500000");
    CHECK(r["tz"] == "2026-03-29T00:30:00Z");
    CHECK(r["g"] == "00112233-4455-6677-8899-aabbccddeeff");
    CHECK(r["a"] == Json::parse("[1,null,3]"));
    CHECK(r["o"] == Json::parse(R"({"x":1,"y":["p"]})"));
    CHECK(r["j"] == Json::parse(R"({"k":2})"));
    CHECK(r["e"] == "b");
    CHECK(r["q"].is_null());
    CHECK(r["w"] == "10:20:30");
}

TEST_CASE("parameters are bound by name and typed") {
    const Database database({});
    auto db = database.connect();
    auto statement = db.prepare("select $a + 1 as a, $when as w, $text || '!' as t, $amount as d, $day as y, len($many) as n, $a as again");
    duckdb::Bindings values;
    values.emplace("a", Value::integer(41));
    values.emplace("when", Value::instant(1774744200000000));
    values.emplace("text", Value::text("it's; drop table x"));
    values.emplace("amount", Value::decimal("-12.34", 9, 3));
    values.emplace("day", Value::date(20000));
    values.emplace("many", Value::text_list({"x", "y"}));
    values.emplace("unused", Value::null());
    statement.bind(values);
    auto result = statement.run();
    CHECK(result.columns()[1].type.name == "TIMESTAMP WITH TIME ZONE");
    const Json row = result.rows(1)[0];
    CHECK(row["a"] == 42);
    CHECK(row["w"] == "2026-03-29T00:30:00Z");
    CHECK(row["t"] == "it's; drop table x!");
    CHECK(row["d"] == "-12.340");
    CHECK(row["y"] == "2024-10-04");
    CHECK(row["n"] == 2);
    CHECK_THROWS_WITH(db.prepare("select $missing").bind(values), Catch::Contains("$missing"));
}

TEST_CASE("a mistake is told with its place and the missing table by name") {
    const Database database({});
    auto db = database.connect();
    CHECK(mistake(db, "select 1 from projects").missing_table == "projects");
    CHECK(mistake(db, "select 1 from (select * from Entries e) x").missing_table == "Entries");
    const auto column = mistake(db, "select 1,\n  nme from (select 1 as name) p");
    CHECK(column.kind == "Binder");
    CHECK(column.offset == 12);
    CHECK(column.missing_table.empty());
    CHECK(mistake(db, "select 1 +* 2").offset > 0);
    CHECK(mistake(db, "select 1; select 2").what() == std::string("only one SQL statement may stand here"));
    CHECK(mistake(db, "  ").what() == std::string("there is no SQL statement"));
}

TEST_CASE("a value that cannot be converted while rows are made is told in plain words, as bad data") {
    const Database database({});
    auto connection = database.connect();
    connection.query("CREATE TABLE people AS SELECT 'Sofia Nguyen' AS name FROM range(10)");
    for (const bool streamed : {false, true}) {
        duckdb::Statement statement = connection.prepare("SELECT CAST(name AS INTEGER) FROM people");
        try {
            duckdb::Result result = streamed ? statement.stream() : statement.run();
            (void)result.next();
            FAIL("it was converted");
        } catch (const Error& e) {
            CHECK(e.error_class == ErrorClass::BadData);
            CHECK(std::string(e.what()).starts_with("Could not convert string 'Sofia Nguyen' to INT32"));
        }
    }
}

TEST_CASE("the cage: only the given folders, no extension, no setting") {
    const TempFolder inside, outside;
    const Database database({.folders = {inside.path}, .temp_folder = inside.path});
    auto db = database.connect();
    db.query("copy (select 42 as a) to '" + inside.path + "/x.parquet' (format parquet)");
    CHECK(db.query("select a from read_parquet('" + inside.path + "/x.parquet')").single_value() == 42);
    for (const std::string sql :
         {"select * from read_csv('/etc/passwd')", "select * from read_text('/proc/self/environ')",
          "select * from read_parquet('%i/../etc/x.parquet')", "copy (select 1) to '%o/x.csv'", "attach '%o/x.db'", "install postgres",
          "load '/tmp/x.duckdb_extension'", "set memory_limit = '64GB'", "set threads = 64", "set enable_external_access = true",
          "select * from glob('/etc/*')", "create secret (type s3, key_id 'a', secret 'b')"}) {
        std::string text = sql;
        if (const auto at = text.find("%i"); at != std::string::npos) text.replace(at, 2, inside.path);
        if (const auto at = text.find("%o"); at != std::string::npos) text.replace(at, 2, outside.path);
        INFO(text);
        CHECK_THROWS_AS(db.query(text), Error);
    }
    CHECK(db.query("select current_setting('TimeZone')").single_value() == "UTC");
}

TEST_CASE("each session has a zone of its own, and no other setting can be changed") {
    const Database database({});
    auto berlin = database.connect("Europe/Berlin"), utc = database.connect(), sao_paulo = database.connect("America/Sao_Paulo");
    const auto day = [](duckdb::Connection& db) {
        return db.query("select timestamptz '2026-07-01 22:30:00+00'::date::text || ' ' || current_setting('TimeZone')").single_value();
    };
    CHECK(day(berlin) == "2026-07-02 Europe/Berlin");
    CHECK(day(utc) == "2026-07-01 UTC");
    CHECK(day(sao_paulo) == "2026-07-01 America/Sao_Paulo");
    for (const char* sql : {"set threads = 3", "set allowed_configs = ['threads']", "set enable_external_access = true"})
        CHECK_THROWS_AS(berlin.query(sql), Error);
    CHECK_THROWS_AS(database.connect("Nowhere/Else"), Error);
}

TEST_CASE("a streamed result is read in chunks and an error on its way is thrown") {
    const Database database({});
    auto db = database.connect();
    auto statement = db.prepare("select i from range(100000) t(i)");
    auto result = statement.stream();
    std::int64_t rows = 0, sum = 0;
    while (const auto chunk = result.next()) {
        rows += static_cast<std::int64_t>(chunk->rows());
        for (std::uint64_t i = 0; i < chunk->rows(); ++i) sum += (*chunk)[0].data<std::int64_t>()[i];
    }
    CHECK(rows == 100000);
    CHECK(sum == 4999950000);
    auto bad = db.prepare("select cast(case when i = 90000 then 'x' else '1' end as int) from range(100000) t(i)");
    CHECK_THROWS_AS(
        [&] {
            auto stream = bad.stream();
            while (stream.next()) {
            }
        }(),
        duckdb::QueryError);
}

TEST_CASE("interrupt ends a running statement as cancelled, memory has a limit") {
    const Database database({.memory_bytes = 64LL << 20});
    auto db = database.connect();
    std::thread other([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        db.interrupt();
    });
    try {
        db.query("select count(*) from range(100000000000) a(i) where i % 7 = 3");
        FAIL("not interrupted");
    } catch (const Error& e) {
        CHECK(e.error_class == ErrorClass::Cancelled);
    }
    other.join();
    try {
        database.connect().query("create temp table big as select repeat('x', 1000) || i as t from range(10000000) r(i)");
        FAIL("no limit");
    } catch (const Error& e) {
        CHECK(e.error_class == ErrorClass::Resource);
    }
}

TEST_CASE("an interrupt that comes before its statement is not forgotten") {
    duckdb::Database database{duckdb::DatabaseOptions{}};
    duckdb::Connection db = database.connect();
    duckdb::Statement statement = db.prepare("SELECT count(*) FROM range(100000000000) a(i) WHERE i % 7 = 3");
    db.interrupt();
    for (int i = 0; i < 2; ++i) {
        try {
            (void)statement.run();
            FAIL("it ran");
        } catch (const Error& e) {
            CHECK(e.error_class == ErrorClass::Cancelled);
        }
    }
    CHECK_THROWS_AS(db.query("SELECT 1"), Error);
}

TEST_CASE("databases that spill below one folder do not touch each other's files, and leave nothing") {
    const TempFolder below;
    const auto sum_of_spilled = [](duckdb::Connection& db, const std::string& from) {
        db.query("create table t as select i + " + from + " as i, hash(i) as h, md5(i::varchar) as m from range(1000000) r(i)");
        return "select sum(i)::varchar || ' ' || bit_xor(h) || ' ' || max(m) from t";
    };
    const auto spills = [&] {
        std::size_t files = 0;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(below.path)) files += entry.is_regular_file() ? 1 : 0;
        return files;
    };
    {
        const Database kept({.temp_folder = below.path + "/tmp", .memory_bytes = 24LL << 20});
        auto db = kept.connect();
        const std::string sum = sum_of_spilled(db, "0");
        {
            const Database other({.temp_folder = below.path + "/tmp", .memory_bytes = 24LL << 20});
            auto beside = other.connect();
            const std::string its_sum = sum_of_spilled(beside, "7000000");
            REQUIRE(spills() >= 2);
            CHECK(beside.query(its_sum).single_value().get<std::string>().starts_with("7499999500000 "));
        }
        REQUIRE(spills() >= 1);
        CHECK(db.query(sum).single_value().get<std::string>().starts_with("499999500000 "));
    }
    CHECK(std::filesystem::is_empty(below.path + "/tmp"));
}

TEST_CASE("a full disk is a lack of resources, with its remedy") {
    const auto error =
        duckdb::make_query_error(R"({"exception_type":"IO","exception_message":"Could not write file \"/x\": No space left on device"})");
    CHECK(error.error_class == ErrorClass::Resource);
    CHECK_FALSE(error.remedy.empty());
    CHECK(duckdb::make_query_error("IO Error: Could not write file: Disk quota exceeded").error_class == ErrorClass::Resource);
    CHECK(duckdb::make_query_error("IO Error: Could not read enough bytes").error_class == ErrorClass::Transient);
}

TEST_CASE("nested values as text keep every digit of the documents in them") {
    const Database database({});
    auto db = database.connect();
    auto result =
        db.query(R"(select {'b': '{"x": 12345678901234567890.123456789}'::json, 'a': [1.50::decimal(9,2), null], 'c': null::json} as s,
                                     ['[0.1234567890123456789]'::json, '"t\u00e4\""'::json] as l, map {'k"': '1e400'::json} as m, 'plain' as t, 5 as n)");
    const auto chunk = result.next();
    REQUIRE(chunk);
    CHECK((*chunk)[0].json_text(0) == R"({"a":["1.50",null],"b":{"x": 12345678901234567890.123456789},"c":null})");
    CHECK((*chunk)[1].json_text(0) == R"([[0.1234567890123456789],"t\u00e4\""])");
    CHECK((*chunk)[2].json_text(0) == R"({"k\"":1e400})");
    CHECK((*chunk)[3].json_text(0) == R"("plain")");
    CHECK((*chunk)[4].json_text(0) == "5");
    CHECK((*chunk)[0].display(0) == (*chunk)[0].json_text(0));
    CHECK((*chunk)[4].display(0) == "5");
}

TEST_CASE("floating-point values that JSON has no number for are text, not null") {
    const Database database({});
    auto db = database.connect();
    const auto rows = db.query("select 'nan'::double n, 'inf'::float i, '-inf'::double m, ['nan'::double] l, 1.5::double x").rows(1);
    CHECK(rows.at(0).dump() == R"({"i":"Infinity","l":["NaN"],"m":"-Infinity","n":"NaN","x":1.5})");
}
