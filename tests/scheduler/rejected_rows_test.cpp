#include "scheduler/rejected_rows.hpp"

#include "tests/tasks/host_process.hpp"

#include <catch2/catch.hpp>

using namespace millrace;

namespace {

Json rejected(const std::string& column, const Json& value, const std::string& raw) {
    return {{"_item", nullptr}, {"_column", column}, {"_rule", "breaks check (n > 0)"},
            {"_value", value},  {"_position", "2"},  {"_raw", raw}};
}

} // namespace

TEST_CASE("rejected rows have their fields in the order of the contract, else as they came") {
    TaskPlan task;
    task.options = {{"contract", {{"columns", {{{"name", "n"}}, {{"name", "a"}}}}}}};
    const Json rows = Json::array({rejected("n", "-1", R"({"a": "x", "n": -1})")});
    const Json document = rejected_document(task, rows, false, 5);
    CHECK(document.at("total") == 5);
    CHECK(document.at("columns") == Json::array({"n", "a"}));
    CHECK(document.at("rows")[0] == Json({{"item", nullptr},
                                          {"column", "n"},
                                          {"rule", "breaks check (n > 0)"},
                                          {"value", "-1"},
                                          {"position", "2"},
                                          {"fields", {{"a", "x"}, {"n", -1}}}}));
    task.options = Json::object();
    const auto only = [&](const std::string& raw) { return rejected_document(task, Json::array({rejected("n", nullptr, raw)}), false, 1); };
    CHECK(only(R"({"z": 1, "a": [2]})").at("columns") == Json::array({"z", "a"}));
    CHECK(only("no JSON").at("rows")[0].at("fields") == Json({{"record", "no JSON"}}));
}

TEST_CASE("a number of a rejected row is the one that came, as a text where a double would change it") {
    const auto fields = [](const std::string& raw) {
        return rejected_document(TaskPlan(), Json::array({rejected("n", nullptr, raw)}), false, 1).at("rows")[0].at("fields");
    };
    CHECK(fields(R"({"a": 12345678901234567.89, "b": 123456789012345678901234567890, "c": -9007199254740993, "d": 1.50})") ==
          Json({{"a", "12345678901234567.89"}, {"b", "123456789012345678901234567890"}, {"c", "-9007199254740993"}, {"d", "1.50"}}));
    CHECK(fields(R"({"a": 1.5, "b": 9007199254740992, "c": [{"x": 0.1}, 1.10], "d": true})") ==
          Json({{"a", 1.5}, {"b", 9007199254740992}, {"c", {{{"x", 0.1}}, "1.10"}}, {"d", true}}));
}

TEST_CASE("a rejected record that is nested without end is shown as it came") {
    const std::string raw = "{\"a\": " + std::string(60000, '[') + std::string(60000, ']') + "}";
    const Json document = rejected_document(TaskPlan(), Json::array({rejected("a", nullptr, raw)}), false, 1);
    CHECK(document.at("rows")[0].at("fields") == Json({{"record", raw}}));
}

TEST_CASE("of rejected rows no more is read than can be shown") {
    const test::TempFolder run;
    test::HostProcess host;
    const auto part = [&](const std::string& name, const std::string& rows) {
        const std::string sql = "select null::text as _column, 'is no JSON' as _rule, null::text as _value, i::text as _position, " + rows;
        return host.attempt(test::order_for(run, name, "transform", {{"sql", sql}})).manifest;
    };
    const auto read = [&](const std::map<std::string, std::string>& parts, int limit) {
        EvaluateOrder order;
        order.id = 1;
        order.sql = rejected_rows_sql(parts.size(), limit);
        order.inputs = parts;
        host.send(to_line("evaluate", order));
        const auto reply = host.rows();
        if (reply.error) FAIL(reply.error->message);
        return reply.rows;
    };
    const auto few = part("few", "'{}' as _raw from range(2) r(i)");
    const auto large = part("large", "repeat('x', case i when 0 then 65536 else 70000 end) as _raw from range(300) r(i)");
    const auto rows = read({{"r0", few}, {"r1", large}}, 4);
    REQUIRE(rows.size() == 4);
    CHECK(rows[0].at("_part") == 0);
    CHECK(rows[2].at("_part") == 1);
    CHECK(rows[2].at("_raw") == std::string(65536, 'x'));
    CHECK(rows[3].at("_raw") == std::string(65536, 'x') + " ... (cut: it has 70000 characters)");
    CHECK(read({{"r0", large}}, 1000).size() == 127); // 8 MB
}

TEST_CASE("rejected rows that a load counts are looked at where they were kept") {
    FlowPlan plan;
    plan.tasks.resize(4);
    plan.tasks[0].name = "weeks", plan.tasks[1].name = "days", plan.tasks[2].name = "other";
    plan.tasks[3].options = {{"tables", Json::array({{{"task", "days"}}, {{"task", "weeks"}}, {{"task", "weeks"}}})}};
    std::vector<StoredTaskRun> rows;
    const auto told = [&](int task, const std::string& rejects) {
        rows.emplace_back().key = {task, -1};
        rows.back().run.detail().result = {{"rejected", 4}, {"rejects", rejects}};
        return rejects_before_load(plan, plan.tasks[3], rows, 150);
    };
    CHECK(told(1, "").empty());
    CHECK(told(2, "/s/other.json").empty());
    CHECK(told(0, "/s/weeks.json") == "the rejected rows of weeks: millrace data head 150.weeks --rejected");
    CHECK(told(1, "/s/days.json") == "the rejected rows of days: millrace data head 150.days --rejected, of weeks: millrace data head "
                                     "150.weeks --rejected");
}

TEST_CASE("of sensitive rejected rows no value is shown") {
    const Json rows = Json::array({rejected("n", "-1", R"({"n": -1, "name": "Ada", "none": null})"), rejected("n", nullptr, "Ada")});
    const Json document = rejected_document(TaskPlan(), rows, true, 2);
    CHECK(document.at("rows")[0].at("fields") == Json({{"n", "***"}, {"name", "***"}, {"none", nullptr}}));
    CHECK(document.at("rows")[0].at("value") == "***");
    CHECK(document.dump().find("Ada") == std::string::npos);
}
