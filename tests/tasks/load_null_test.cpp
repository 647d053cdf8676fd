/// Which columns of a table are NOT NULL, and what meets them.
#include "tests/tasks/load_bench.hpp"

using namespace millrace;
using namespace millrace::test;
using postgres::Session;

namespace {

Json column(const std::string& name, const std::string& type, bool nullable = false) {
    return {{"name", name}, {"type", type}, {"nullable", nullable}};
}

std::string contracted(Bench& b, const std::string& sql, const Json& columns) {
    const AttemptDone done = b.host.attempt(
        order_for(b.run, "c" + std::to_string(++b.batches), "transform", {{"sql", sql}, {"contract", {{"columns", columns}}}}));
    if (done.error) FAIL(done.error->message);
    return done.manifest;
}

std::string not_null(const Bench& b, const std::string& table) {
    return b.warehouse.value(
        "SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attnum > 0 AND attnotnull AND attrelid "
        "= '" +
        table + "'::regclass");
}

AttemptDone load(Bench& b, const std::string& manifest, const Json& options = Json::object()) {
    AttemptOrder order = b.order(manifest, options);
    order.origin = {"flows/f.yaml", 21, 0};
    return b.host.attempt(order);
}

const Json three = Json::array({column("id", "INTEGER"), column("name", "VARCHAR", true), column("n", "BIGINT")});

} // namespace

TEST_CASE("a new table has NOT NULL where the contract never lets a value be null, and nowhere else") {
    Bench b(require_database());
    CHECK(counts(load(b, contracted(b, "select 1 as id, 'a' as name, 2 as n", three))) == "1 0 0 0");
    CHECK(not_null(b, "out.t") == "id n");
    CHECK(counts(b.load("select 1 as id, 'a' as name", {{"table", "out.plain"}})) == "1 0 0 0");
    CHECK(not_null(b, "out.plain") == "id");
    CHECK(counts(load(b, contracted(b, "select 1 as id, null as name, 2 as n", three),
                      {{"table", "out.appended"}, {"mode", "append"}, {"key", Json::array()}})) == "1 0 0 0");
    CHECK(not_null(b, "out.appended") == "id n");
}

TEST_CASE("a contract that lets a NOT NULL column be null is refused before anything is written") {
    Bench b(require_database());
    CHECK(counts(load(b, contracted(b, "select 1 as id, 'a' as name, 2 as n", three))) == "1 0 0 0");
    Json loose = three;
    loose[2]["nullable"] = true;
    const AttemptDone refused = load(b, contracted(b, "select unnest([1, 2]) as id, 'b' as name, 3 as n", loose));
    CHECK(counts(refused) ==
          "permanent: out.t: column 'n' is NOT NULL, and the contract of the dataset rows lets it be NULL (flows/f.yaml:21)");
    REQUIRE(refused.error);
    CHECK(refused.error->remedy == "ALTER TABLE \"out\".\"t\" ALTER COLUMN \"n\" DROP NOT NULL; or take `null` out of the contract");
    CHECK(b.warehouse.rows("out.t") == "(1,a,2)");
    Session(b.warehouse.url).run(refused.error->remedy.substr(0, refused.error->remedy.find(';')));
    CHECK(counts(load(b, contracted(b, "select 1 as id, 'b' as name, null as n", loose))) == "0 1 0 0");
}

TEST_CASE("a dataset that lacks a NOT NULL column is refused, unless the column fills itself") {
    Bench b(require_database());
    CHECK(counts(load(b, contracted(b, "select 1 as id, 'a' as name, 2 as n", three))) == "1 0 0 0");
    const AttemptDone refused = b.load("select 1 as id, 'b' as name");
    CHECK(counts(refused) == "permanent: out.t: column 'n' is NOT NULL without a default, and the dataset rows has no such column");
    REQUIRE(refused.error);
    CHECK_THAT(refused.error->remedy, Catch::StartsWith("ALTER TABLE \"out\".\"t\" ALTER COLUMN \"n\" DROP NOT NULL; or give"));
    CHECK(b.warehouse.rows("out.t") == "(1,a,2)");
    Session(b.warehouse.url)
        .run("ALTER TABLE out.t ALTER n SET DEFAULT 0; ALTER TABLE out.t ADD COLUMN seq int GENERATED ALWAYS AS IDENTITY; "
             "ALTER TABLE out.t ADD COLUMN twice int GENERATED ALWAYS AS (id * 2) STORED NOT NULL");
    CHECK(counts(b.load("select unnest([1, 2]) as id, 'b' as name")) == "1 1 0 0");
    CHECK(counts(b.load("select 1 as id where false")) == "0 0 0 0");
}

TEST_CASE("where nothing is promised the rows decide, those that are deleted not counted") {
    Bench b(require_database());
    Session(b.warehouse.url).run("CREATE SCHEMA out; CREATE TABLE out.t (id int PRIMARY KEY, \"Name\" text NOT NULL)");
    CHECK(counts(b.load("select unnest([1, 2]) as id, 'a' as \"Name\"")) == "2 0 0 0");
    const AttemptDone refused = b.load("select unnest([1, 2, 3]) as id, unnest(['a', null, null]) as \"Name\"");
    CHECK(counts(refused) == "bad_data: out.t: column 'Name' is NOT NULL, and the dataset rows holds NULL in 2 rows");
    REQUIRE(refused.error);
    CHECK_THAT(refused.error->remedy, Catch::EndsWith("DROP NOT NULL; or make it a value in the transform: coalesce(\"Name\", ..)"));
    CHECK(counts(b.load("select unnest([1, 2]) as id, unnest([null, 'b']) as \"Name\"",
                        {{"delete_rule", "\"Name\" is null"}, {"delete_is_sql", true}})) == "0 1 0 1");
    b.warehouse.value("CREATE FUNCTION named() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.\"Name\" := coalesce(new.\"Name\", '?'); "
                      "RETURN new; END $$; CREATE TRIGGER named BEFORE INSERT OR UPDATE ON out.t FOR EACH ROW EXECUTE FUNCTION named(); "
                      "SELECT 1");
    CHECK(counts(b.load("select 9 as id, null::text as \"Name\"")) == "1 0 0 0"); // a trigger may fill it
}

TEST_CASE("a column that is added to a table may be NULL, whatever the contract says") {
    Bench b(require_database());
    CHECK(counts(load(b, contracted(b, "select 1 as id", Json::array({column("id", "INTEGER")})))) == "1 0 0 0");
    CHECK(counts(load(b, contracted(b, "select 2 as id, 'a' as name, 2 as n", three))) == "1 0 0 0");
    CHECK(not_null(b, "out.t") == "id");
}

TEST_CASE("a column that has a value in no row any more is told, a rarely filled one and a small batch are not") {
    Bench b(require_database());
    const auto told = [&](const std::string& sql) {
        AttemptOrder order = b.order(b.dataset(sql), Json::object());
        order.log += std::to_string(b.batches);
        const AttemptDone done = b.host.attempt(order);
        if (done.error) FAIL(done.error->message);
        std::string text;
        for (const Json& line : log_of(order))
            if (line.at("level") == "warning") text += line.at("text").get<std::string>();
        return text;
    };
    const std::string all = "select i::int as id, 'x' as note, case when i = 1 then 'y' end as rare from range(100) r(i)";
    CHECK(told(all).empty());
    CHECK(told("select i::int as id, null::text as note, null::text as rare from range(5) r(i)").empty());
    CHECK_THAT(told("select i::int as id, null::text as note, null::text as rare from range(100) r(i)"),
               Catch::StartsWith("out.t: column 'note' is NULL in all 100 rows of the dataset ") &&
                   Catch::Contains("has a value in 95 % of the table's rows") && !Catch::Contains("rare"));
    CHECK(told(all).empty());
}
