// Events of no run, as doctor and the document of a flow show them, over a real PostgreSQL.
#include "given_schedules.hpp"

using namespace millrace;
using namespace millrace::test;
using namespace std::chrono_literals;

namespace {

Json of_doctor(Life& life) { return life.wait(life.engine->read_models().doctor()).at("events"); }
Json of_flow(Life& life, const std::string& flow) { return life.wait(life.engine->read_models().flow(flow)).at("events"); }

/// So many events; `flow` is SQL.
void tell(const FreshDatabase& database, const std::string& kind, const std::string& flow, Instant when, int count = 1) {
    told(database.url(), "insert into millrace.event (at, flow, kind, message, details) select '" + to_rfc3339(when) + "', " + flow +
                             ", '" + kind + "', n::text, '{}' from generate_series(1, " + std::to_string(count) + ") n");
}

std::string kinds(const Json& events) {
    std::string out;
    for (const auto& event : events)
        out += (out.empty() ? "" : " ") + event.at("kind").get<std::string>() + event.at("message").get<std::string>();
    return out;
}

} // namespace

TEST_CASE("firings that were missed are told by doctor and the flow's document, until a week is over") {
    FreshDatabase database;
    auto other = flow_of(every(86400));
    other.name = "g";
    const std::vector plans{flow_of(missed(every(3600), "none")), other};
    { Life before(database.url(), plans, noon); }
    Life life(database.url(), plans, noon + 3h + 30min);
    CHECK(of_flow(life, "f").empty());
    life.stepped.step_to(noon + 3h + 30min);
    life.until([&] { return !of_flow(life, "f").empty(); });
    const Json event = of_flow(life, "f").at(0);
    CHECK(event.at("at") == "2026-11-20T15:30:00Z");
    CHECK(event.at("flow") == "f");
    CHECK(event.at("kind") == "missed");
    CHECK(event.at("message") == "3 firings of 2026-11-20T13:00:00Z to 2026-11-20T15:00:00Z came too late and are left out (missed: none)");
    CHECK(event.at("details").at("left_out") == 3);
    CHECK(of_flow(life, "g").empty());
    CHECK(of_doctor(life) == Json::array({event}));
    const auto flows = life.wait(life.engine->read_models().flows());
    for (const auto& flow : flows.at("items")) CHECK_FALSE(flow.contains("events"));
    told(database.url(), "update millrace.event set at = at - interval '8 days'");
    CHECK(of_flow(life, "f").empty());
    CHECK(of_doctor(life).empty());
}

TEST_CASE("what is told often does not hide what was told once") {
    FreshDatabase database;
    Life life(database.url(), {flow_of(every(86400))}, noon);
    tell(database, "clock_jumped", "null", noon);
    tell(database, "not_fired", "'f'", noon, 60);
    tell(database, "not_fired", "'g'", noon, 2);
    CHECK(kinds(of_doctor(life)) == "not_fired2 not_fired1 not_fired60 not_fired59 not_fired58 not_fired57 not_fired56 clock_jumped1");
    const auto all = of_flow(life, "f");
    CHECK(all.size() == 50);
    CHECK(all.at(0).at("message") == "60");
}

TEST_CASE("what was told is found without a look at the events of runs, or at all those of none") {
    FreshDatabase database;
    Life life(database.url(), {flow_of(every(86400))}, noon);
    told(database.url(), "insert into millrace.event (at, flow, kind, message, details) select now(), 'f' || n % 500, 'k', '', '{}' from "
                         "generate_series(1, 20000) n; analyze millrace.event_of_no_run");
    const auto plan_of = [&](const std::string& condition) {
        pqxx::connection connection(database.url());
        pqxx::nontransaction w(connection);
        std::string plan;
        for (const auto& row :
             w.exec("explain select id, at from millrace.event where run_id = 0 " + condition + " order by id desc limit 50"))
            plan += std::string(row[0].c_str()) + "\n";
        return plan;
    };
    CHECK_THAT(plan_of(""), Catch::Contains("Index Scan Backward using event_of_no_run_pkey"));
    CHECK_THAT(plan_of("and flow = 'f1'"), Catch::Contains("event_of_no_run_by_flow"));
    for (const auto* condition : {"", "and flow = 'f1'"})
        CHECK_THAT(plan_of(condition), !Catch::Contains("Seq Scan") && !Catch::Contains("event_1"));
}

TEST_CASE("events of a run come in pages, and its document says how many more warnings there are and where") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("a: extract", "g")}, noon);
    const auto id = life.trigger_id("g");
    (void)life.ended(id);
    told(database.url(), "insert into millrace.event (at, run_id, flow, kind, message, details) select now(), " + std::to_string(id) +
                             ", 'g', case when n % 2 = 0 then 'note' when n % 3 = 0 then 'late' else 'warning' end, n::text, '{}' "
                             "from generate_series(1, 2100) n");
    const auto all = [&](RunEventFilter filter) {
        Json items = Json::array();
        for (bool first = true; first || !filter.after.empty(); first = false) {
            const Json page = life.wait(life.engine->read_models().events(id, filter));
            CHECK(page.at("items").size() <= static_cast<std::size_t>(filter.limit));
            for (const auto& item : page.at("items"))
                if (item.at("message").get<std::string>().find_first_not_of("0123456789") == std::string::npos) items.push_back(item);
            filter.after = page.at("next").is_null() ? "" : page.at("next").get<std::string>();
        }
        return items;
    };
    const Json events = all({});
    REQUIRE(events.size() == 2100);
    CHECK(events.back().at("message") == "2100");
    RunEventFilter warnings;
    warnings.only_warnings = true;
    warnings.limit = 100;
    CHECK(all(warnings).size() == 1050);
    const Json run = life.run(id);
    CHECK(run.at("warnings").size() == 20);
    CHECK(run.at("warnings")[1] == Json{{"task", nullptr}, {"kind", "late"}, {"message", "3"}, {"details", Json::object()}});
    CHECK(run.at("warnings_left") == 1030);
    warnings.after = run.at("warnings_next").get<std::string>();
    const Json rest = all(warnings);
    CHECK(rest.size() == 1030);
    CHECK(rest.front().at("message") == "41");
    warnings.after = "x";
    CHECK_THAT(refusal([&] { (void)life.wait(life.engine->read_models().events(id, warnings)); }), Catch::Contains("`after` takes"));
    const auto other = life.trigger_id("g");
    CHECK(life.ended(other).at("warnings_left") == 0);
    CHECK(life.run(other).at("warnings_next").is_null());
}
