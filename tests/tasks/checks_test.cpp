// Checks: what they count, which rows they keep and show, and how that is told.
#include "connectors/manifest.hpp"
#include "tests/tasks/transform_orders.hpp"

#include <algorithm>

using namespace millrace;
using namespace millrace::test;

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

TEST_CASE("rows that break a check are kept to be looked at, up to ten thousand") {
    const TempFolder run;
    HostProcess host;
    const auto failed = [&](const std::string& check, const std::string& severity = "error") {
        AttemptOrder order =
            order_for(run, "c", "transform",
                      {{"sql", "select i as n, 'it''s ' || repeat('x', 300) as t, 1.50 as \"odd \"\"name\" from range(12000) r(i)"},
                       {"contract", {{"checks", Json::array({{{"name", "few"}, {"sql", check}, {"severity", severity}}})}}}});
        order.context.params = {{"most", 0}};
        order.context.param_types = {{"most", "int"}};
        return host.attempt(order);
    };
    const AttemptDone done = failed("select * from this where n >= $most order by n desc; -- the last first");
    REQUIRE(done.error);
    CHECK(done.error->error_class == "bad_data");
    CHECK(done.error->message == "check few: 12,000 rows break it ({\"n\":11999}, {\"n\":11998}, {\"n\":11997})");
    CHECK(done.error->remedy == "look at the rejected rows: millrace data head 7.c --rejected");
    CHECK(done.rejected == 12000);
    const Json kept = rows_of_dataset(host, done.rejects);
    REQUIRE(kept.size() == 10000);
    CHECK(kept[0]["_rule"] == "breaks check few");
    CHECK(kept[9999]["_position"] == "10000");
    const Json row = Json::parse(kept[9999]["_raw"].get<std::string>());
    CHECK(row.at("n") == 2000);
    CHECK(row.at("odd \"name") == 1.5);
    CHECK_THAT(error_of(failed("select n, n + 1 as n from this where n = 7")).message,
               Catch::EndsWith("1 row breaks it ({\"n\":7,\"n_1\":8})"));
}

TEST_CASE("examples of a broken check show the columns that its SQL names, and are whole JSON") {
    const TempFolder run;
    HostProcess host;
    const auto example = [&](const std::string& check) {
        const Json checks = Json::array({{{"name", "few"}, {"sql", check}, {"severity", "warn"}}});
        const std::string wide = "select 7 as id, repeat('x', 300) as note, 1 as a, 2 as b, 3 as c, 4 as d, 5 as e, 6 as f, "
                                 "30.50::decimal(9,2) as \"Hours\"";
        const AttemptOrder order = order_for(run, "w", "transform", {{"sql", wide}, {"contract", {{"checks", checks}}}});
        host.send(to_line("attempt", order));
        const Json event = host.receive("event");
        CHECK(host.receive("done").at("outcome") == "completed");
        REQUIRE(event.at("details").at("examples").size() == 1);
        const auto text = event.at("details").at("examples").at(0).get<std::string>();
        CHECK(Json::parse(text).is_object());
        return text;
    };
    CHECK(example("select * from this where hours > 24") == R"({"Hours":30.5})");
    CHECK(example("from this where hours > 24 and id > 0") == R"({"id":7,"Hours":30.5})");
    CHECK(example("select t.* from this t where t.note is not null") == R"({"note":")" + std::string(40, 'x') + "...\"}");
    CHECK(example("select id, hours * 2 as twice from this where hours > 24") == R"({"id":7,"twice":61})");
    CHECK(example("select note, id, hours from this where hours > 24 -- id is only told") ==
          R"({"Hours":30.5,"note":")" + std::string(40, 'x') + R"(...","id":7})");
    CHECK(Json::parse(example("select * from this")).size() == 8);
}

TEST_CASE("a check of severity warn tells some of the rows, but none that are sensitive") {
    const TempFolder run;
    HostProcess host;
    const auto warned = [&](bool sensitive) {
        const Json checks = Json::array({{{"name", "few"}, {"sql", "select * from this where n > 5"}, {"severity", "warn"}}});
        const auto numbers = host.attempt(order_for(run, "d", "transform", {{"sql", "select i as n from range(10) r(i)"}})).manifest;
        Json manifest = Json::parse(std::ifstream(numbers));
        manifest["sensitive"] = sensitive;
        std::ofstream(numbers) << manifest.dump();
        AttemptOrder order = order_for(run, "w", "transform", {{"sql", "select * from d"}, {"contract", {{"checks", checks}}}});
        order.inputs = {{"d", numbers}};
        host.send(to_line("attempt", order));
        const Json event = host.receive("event");
        CHECK(host.receive("done").at("outcome") == "completed");
        CHECK(event.at("details").at("examples").size() == (sensitive ? 0U : 3U));
        return event.at("message").get<std::string>();
    };
    CHECK(warned(false) == "check few: 4 rows break it ({\"n\":6}, {\"n\":7}, {\"n\":8})");
    CHECK(warned(true) == "check few: 4 rows break it");
}

TEST_CASE("rows that break checks of severity warn stay in the dataset, and are kept of each check to be looked at") {
    const TempFolder run;
    HostProcess host;
    const auto check = [](const char* name, const char* condition) {
        return Json{{"name", name}, {"sql", std::string("select * from this where ") + condition}, {"severity", "warn"}};
    };
    const Json contract = {{"columns", Json::array({column("n", "INTEGER"), column("d", "DECIMAL(9,2)")})},
                           {"checks", Json::array({check("high", "n > 5"), check("low", "n < 2")})},
                           {"rejects", {{"max", {{"count", 1}}}, {"to", "quarantine"}}}};
    AttemptOrder order = order_for(
        run, "w", "transform",
        {{"sql", "select case when i = 9 then 'x' else i::text end as n, i / 2.0 as d from range(10) r(i)"}, {"contract", contract}});
    host.send(to_line("attempt", order));
    std::string file;
    for (const char* kind : {"quarantined", "warning", "warning"}) {
        const Json event = host.receive("event");
        CHECK(event.at("kind") == kind);
        file = event.at("details").at("file");
    }
    const auto done = host.receive("done").get<AttemptDone>();
    if (done.error) FAIL(done.error->message);
    CHECK(done.rows == 9);
    CHECK(done.rejected == 1);
    CHECK(done.warned == 5);
    CHECK(done.rejects == file);
    CHECK(read_manifest(done.rejects).parts.size() == 3); // each rule's, written once
    const auto kept = rows_of_dataset(host, done.rejects, "select * from d order by _rule, _position");
    REQUIRE(kept.size() == 6);
    CHECK(kept[0]["_rule"] == "breaks check high, which only warns: the row stays");
    CHECK(kept[0]["_raw"] == R"({"n":6,"d":3})");
    CHECK(kept[1]["_raw"] == R"({"n":7,"d":3.5})");
    CHECK(kept[3]["_rule"] == "breaks check low, which only warns: the row stays");
    CHECK(kept[5]["_value"] == "x");
}

TEST_CASE("a check that cannot be run after one that warned keeps the rows of that one, which are not why it failed") {
    const TempFolder run;
    HostProcess host;
    const Json checks = Json::array({{{"name", "few"}, {"sql", "select * from this where n > 5"}, {"severity", "warn"}},
                                     {{"name", "odd"}, {"sql", "select * from nowhere"}, {"severity", "error"}}});
    const AttemptDone done = transform(host, run, "w", "select i as n from range(10) r(i)", {{"checks", checks}});
    REQUIRE(done.error);
    CHECK_THAT(done.error->message, Catch::Contains("nowhere"));
    CHECK_THAT(done.error->remedy, !Catch::Contains("--rejected"));
    CHECK(done.rejected == 0);
    CHECK(done.warned == 4);
    CHECK(rows_of_dataset(host, done.rejects).size() == 4);
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
