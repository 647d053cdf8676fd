// Instants whose runs the store does not take, or that come of a zone which is not there: each is decided, and the others go on.
#include "../zone_folder.hpp"
#include "given_schedules.hpp"

using namespace millrace;
using namespace millrace::test;
using namespace std::chrono_literals;

namespace {

std::string firings(const FreshDatabase& database) {
    return asked(database.url(),
                 "select string_agg(to_char(nominal at time zone 'UTC', 'HH24:MI') || ' ' || coalesce(run_id, 0), ', ' order by "
                 "nominal) from millrace.firing where flow = 'f'");
}

} // namespace

TEST_CASE("an instant whose run has a number that another run has makes a run with the next one") {
    FreshDatabase database;
    Life life(database.url(), {flow_of(every(3600))}, noon);
    life.step_to(noon + 1h);
    const auto newest = std::stoll(asked(database.url(), "select max(id) from millrace.run"));
    told(database.url(), "insert into millrace.run select (jsonb_populate_record(r, jsonb_build_object('id', r.id + n, 'flow', 'g'))).* "
                         "from millrace.run r, generate_series(1, 2) n where r.id = (select max(id) from millrace.run)");
    life.stepped.step_to(noon + 2h);
    life.until([&] { return asked(database.url(), "select count(*) from millrace.firing") == "2"; });
    life.step_to(noon + 3h);
    CHECK(asked(database.url(), "select run_id from millrace.firing order by nominal limit 1 offset 1") == std::to_string(newest + 3));
    CHECK(nominal(life) == Texts{"2026-11-20T13:00:00Z", "2026-11-20T14:00:00Z", "2026-11-20T15:00:00Z"});
    CHECK(states(life) == Texts{"completed", "completed", "completed"});
    CHECK(asked(database.url(), "select count(*) from millrace.event where kind = 'not_fired'") == "0");
}

TEST_CASE("an instant whose run the store will never take is told by an event, and the next one fires") {
    FreshDatabase database;
    Life life(database.url(), {flow_of(every(3600))}, noon);
    told(database.url(),
         "create function refuse() returns trigger language plpgsql as $$ begin raise 'not this one' using errcode = '22023'; "
         "end $$; create trigger refuse before insert on millrace.run for each row when (new.flow = 'f') execute function refuse()");
    life.step_to(noon + 1h);
    life.until([&] { return asked(database.url(), "select count(*) from millrace.event where kind = 'not_fired'") == "1"; });
    told(database.url(), "drop trigger refuse on millrace.run");
    life.step_to(noon + 2h);
    CHECK(nominal(life) == Texts{"2026-11-20T14:00:00Z"});
    CHECK(firings(database).starts_with("13:00 0, 14:00 "));
    CHECK(asked(database.url(), "select message from millrace.event where kind = 'not_fired'").find("not this one") != std::string::npos);
}

TEST_CASE("a schedule whose zone the machine lacks rests and is told, and the others fire") {
    FreshDatabase database;
    auto lacking = flow_of(every(3600));
    lacking.name = "g";
    const std::vector plans{flow_of(every(3600)), lacking};
    { Life before(database.url(), plans, noon); }
    told(database.url(),
         "update millrace.schedule set spec = jsonb_set(spec, '{schedules,0,timezone}', '\"Europe/Atlantis\"') where flow = 'g'");
    Life life(database.url(), plans, noon + 30min);
    life.step_to(noon + 1h);
    life.step_to(noon + 2h);
    CHECK(nominal(life).size() == 2);
    CHECK(life.runs("g").empty());
    const auto message = asked(database.url(), "select message from millrace.event where kind = 'zone_missing'");
    CHECK(message.find("has no time zone Europe/Atlantis: schedules of g rest here") != std::string::npos);

    auto& models = life.engine->read_models();
    CHECK(life.wait(models.doctor()).at("zones_missing") == Json::parse(R"([{"zone": "Europe/Atlantis", "flows": ["g"]}])"));
    for (const Json& schedule : {life.wait(models.flow("g")).at("schedules").at(0), life.wait(models.schedules()).at("items").at(1)}) {
        CHECK(schedule.at("paused") == false);
        CHECK(schedule.at("message") == "node test has no time zone Europe/Atlantis");
        CHECK(schedule.at("next").is_null());
    }
    CHECK(life.wait(models.flow("f")).at("schedules").at(0).at("message").is_null());
}

TEST_CASE("a schedule whose zone the machine lacks is not resumed before it is there") {
    const bool is_paused = GENERATE(false, true);
    FreshDatabase database;
    const std::vector plans{flow_of(every(3600))};
    ZoneFolder zones;
    { Life before(database.url(), plans, noon); }
    told(database.url(), "update millrace.schedule set spec = jsonb_set(spec, '{schedules,0,timezone}', '\"Europe/Lisbon\"')");
    Life life(database.url(), plans, noon + 30min);
    const auto set = [&](bool paused) { (void)life.wait(life.engine->service().set_schedules_paused("f", paused)); };
    if (is_paused) set(true);
    CHECK(refusal([&] { set(false); }) == std::string("node test has no time zone Europe/Lisbon: the schedule of f starts nothing here - "
                                                      "install tzdata or tzdata-legacy there and resume again") +
                                              (is_paused ? ", or resume on another node" : ""));
    zones.becomes("Europe/Lisbon", "Europe/Lisbon");
    set(false);
    CHECK(life.wait(life.engine->read_models().flow("f")).at("schedules").at(0).at("message").is_null());
    life.step_to(noon + 1h);
    CHECK(nominal(life) == Texts{"2026-11-20T13:00:00Z"});
}

TEST_CASE("of weeks that passed the last instant fires, and they are not looked at one by one") {
    const std::string policy = GENERATE("last", "none");
    FreshDatabase database;
    const auto plan = flow_of(missed(cron("*/7 * * * *"), policy));
    const auto later = noon + 24h * 60 + 3min; // the hours begin anew: 12:00, and not 12:03, is the last
    auto life = back_at(database, later, plan);
    life.stepped.step_to(later);
    life.settle();
    CHECK(nominal(life) == (policy == "last" ? Texts{"2027-01-19T12:00:00Z"} : Texts{}));
    const auto told = asked(database.url(), "select message from millrace.event where kind = 'missed'");
    CHECK(told.find("more than 1") == 0);
    CHECK(told.find(" firings of 2026-11-20T12:07:00Z to 2027-01-19T12:00:00Z came too late") != std::string::npos);
    CHECK(asked(database.url(), "select next_at at time zone 'UTC' from millrace.schedule") == "2027-01-19 12:07:00");
}

TEST_CASE("a firing that waits for its jitter starts its run though another schedule of its flow is changed meanwhile") {
    FreshDatabase database;
    auto plan = flow_of(every(7200));
    plan.schedules[0].jitter_seconds = 7200;
    plan.schedules.push_back(every(86400));
    Life life(database.url(), {plan}, noon + 1h);
    life.step_to(noon + 2h);
    REQUIRE(nominal(life).empty()); // it waits
    life.folders.plans[0].schedules[1] = every(172800);
    life.deploy();
    for (auto t = noon + 2h; t < noon + 4h && life.runs("f").empty(); t += 60s) life.step_to(t);
    CHECK(nominal(life) == Texts{"2026-11-20T14:00:00Z"});
}

TEST_CASE("`missed_within` leaves out what passed longer ago, and tells it") {
    const auto [policy, expected] = GENERATE(table<std::string, Texts>({
        {"last", {"2026-11-22T11:00:00Z"}},
        {"all", {"2026-11-22T10:00:00Z", "2026-11-22T11:00:00Z"}},
    }));
    const bool is_recent = GENERATE(true, false);
    CAPTURE(policy, is_recent);
    FreshDatabase database;
    auto plan = flow_of(missed(every(3600), policy));
    plan.schedules[0].missed_seconds = is_recent ? 2 * 3600 : 60;
    const auto later = noon + 47h + 30min;
    auto life = back_at(database, later, plan);
    life.stepped.step_to(later);
    life.settle();
    CHECK(nominal(life) == (is_recent ? expected : Texts{}));
    const auto count = std::to_string(47 - nominal(life).size());
    CHECK(asked(database.url(), "select details->>'left_out' from millrace.event where kind = 'missed'") == count);
    const auto because =
        policy == "last" && is_recent
            ? std::string(" firings of 2026-11-20T13:00:00Z to 2026-11-22T11:00:00Z came too late and are left out (missed: last)")
            : std::string(" firings from 2026-11-20T13:00:00Z on are older than `missed_within: ") + (is_recent ? "2h" : "1m") +
                  "` and are left out";
    CHECK(asked(database.url(), "select message from millrace.event where kind = 'missed'") == count + because);
    CHECK(asked(database.url(), "select next_at at time zone 'UTC' from millrace.schedule") == "2026-11-22 12:00:00");
}

TEST_CASE("of weeks that passed `missed: all` starts those of the window") {
    FreshDatabase database;
    auto plan = flow_of(missed(cron("*/10 * * * *"), "all"));
    plan.schedules[0].missed_seconds = 3600;
    const auto later = noon + 24h * 60 + 5min;
    auto life = back_at(database, later, plan);
    life.stepped.step_to(later);
    life.settle();
    check_nominal(life, 6, "2027-01-19T11:10:00Z", "2027-01-19T12:00:00Z");
}

TEST_CASE("a schedule that another node deployed anew is neither fired nor moved by who has the older view") {
    FreshDatabase database;
    Life life(database.url(), {flow_of(every(3600))}, noon);
    told(database.url(), "update millrace.schedule set changed_at = changed_at + interval '1 us', next_at = '2026-11-20T13:05:00Z'");
    life.step_to(noon + 1h);
    life.step_to(noon + 1h + 2s);
    CHECK(life.runs("f").empty());
    CHECK(asked(database.url(), "select next_at = '2026-11-20T13:05:00Z' from millrace.schedule") == "t");
    CHECK(asked(database.url(), "select count(*) from millrace.firing") == "0");
}

TEST_CASE("a schedule that another node deployed anew with the plan that was there fires on this one when it has heard of it") {
    FreshDatabase database;
    Life life(database.url(), {flow_of(every(3600))}, noon);
    told(database.url(), "update millrace.flow set deployed_at = deployed_at + interval '1 us'");
    told(database.url(), "update millrace.schedule set changed_at = changed_at + interval '1 us'");
    for (int beat = 1; beat <= 4; ++beat) life.step_to(noon + beat * 1s);
    life.step_to(noon + 1h);
    CHECK(nominal(life) == Texts{"2026-11-20T13:00:00Z"});
}

TEST_CASE("a schedule that another node took out of its flow fires no more") {
    FreshDatabase database;
    Life life(database.url(), {flow_of(every(3600))}, noon);
    told(database.url(), "delete from millrace.schedule");
    life.step_to(noon + 1h);
    CHECK(life.runs("f").empty());
    CHECK(asked(database.url(), "select count(*) from millrace.firing") == "0");
}

TEST_CASE("a schedule whose flow is gone from the catalogue of another node fires no more") {
    FreshDatabase database;
    Life life(database.url(), {flow_of(every(3600))}, noon);
    told(database.url(), "update millrace.flow set archived = true where name = 'f'");
    told(database.url(), "delete from millrace.schedule");
    life.step_to(noon + 1h);
    life.step_to(noon + 1h + 2s);
    CHECK(asked(database.url(), "select count(*) from millrace.firing") == "0");
}
