// What a flow expects, decided from facts.
#include "given_expectations.hpp"
#include "life.hpp"

using namespace millrace;
using namespace millrace::test;
using namespace std::chrono_literals;

namespace {

const Instant noon = *parse_rfc3339("2026-11-20T12:00:00Z");

FlowFacts facts_of(std::vector<WatchedRun> runs = {}) {
    FlowFacts facts;
    facts.flow = "f";
    facts.deployed_at = noon - 24h;
    facts.runs = std::move(runs);
    return facts;
}

/// Run 7, due at noon.
WatchedRun due_at_noon(std::optional<Instant> began = {}, std::optional<Instant> ended = {}) {
    WatchedRun run;
    run.id = 7;
    run.asked_at = run.nominal = noon;
    run.schedule = 0;
    run.began = began;
    run.ended = ended;
    if (ended) run.state = State::Completed;
    return run;
}

/// "start_within schedule 0 ..." of each.
Texts keys(const std::vector<Breach>& breaches) {
    Texts out;
    for (const auto& b : breaches) out.push_back(b.key.expectation + " " + b.key.subject);
    return out;
}

/// As if what was found had been told.
void tell(FlowFacts& facts, const Judgement& judgement) {
    for (const auto& b : judgement.breaches) facts.told.insert(b.key), facts.open.push_back(b);
}

} // namespace

TEST_CASE("a run that has not begun in time is late, once, and no more when it begins") {
    const auto expected = starts_within(600);
    auto facts = facts_of({due_at_noon()});
    auto judgement = judge(expected, facts, noon + 9min);
    CHECK(judgement.breaches.empty());
    CHECK(judgement.look_again == noon + 10min);
    judgement = judge(expected, facts, noon + 10min);
    REQUIRE(keys(judgement.breaches) == Texts{"start_within schedule 0 2026-11-20T12:00:00Z"});
    CHECK(judgement.breaches[0].kind == "late");
    CHECK(judgement.breaches[0].run_id == 7);
    CHECK(judgement.breaches[0].message ==
          "run 7 was due at 2026-11-20T12:00:00Z and had not begun by 2026-11-20T12:10:00Z; expected: start_within 10m");
    tell(facts, judgement);
    judgement = judge(expected, facts, noon + 11min);
    CHECK(judgement.breaches.empty());
    CHECK(judgement.recoveries.empty());
    facts.runs[0].began = noon + 12min;
    judgement = judge(expected, facts, noon + 13min);
    CHECK(judgement.breaches.empty());
    REQUIRE(judgement.recoveries.size() == 1);
    CHECK(judgement.recoveries[0].message == "run 7 began at 2026-11-20T12:12:00Z");
}

TEST_CASE("a run that began late is told also where nobody looked meanwhile, one in time or skipped never") {
    CHECK(judge(starts_within(600), facts_of({due_at_noon(noon + 11min, noon + 12min)}), noon + 1h).breaches.size() == 1);
    CHECK(judge(starts_within(600), facts_of({due_at_noon(noon + 9min, noon + 12min)}), noon + 1h).breaches.empty());
    auto skipped = due_at_noon({}, noon + 1s);
    skipped.state = State::Skipped;
    CHECK(judge(starts_within(600), facts_of({skipped}), noon + 1h).breaches.empty());
    auto by_hand = due_at_noon();
    by_hand.schedule.reset();
    CHECK(judge(starts_within(600), facts_of({by_hand}), noon + 1h).breaches.empty());
}

TEST_CASE("what was before the deploy is not judged by what is expected now") {
    auto facts = facts_of({due_at_noon()});
    facts.deployed_at = noon + 1s;
    Expectations expected = starts_within(60);
    expected.finish_within = 120;
    CHECK(judge(expected, facts, noon + 1h).breaches.empty());
    facts.runs[0].was_expected = true; // another deploy, which changed something else
    CHECK(judge(expected, facts, noon + 1h).breaches.size() == 2);
}

TEST_CASE("a time of the schedule at which no run begins is late, and its run that comes is not told again") {
    auto facts = facts_of();
    facts.schedules = {{0, noon, noon + 30s}}; // with a jitter
    auto judgement = judge(starts_within(600), facts, noon + 10min);
    CHECK(judgement.breaches.empty());
    CHECK(judgement.look_again == noon + 10min + 30s);
    judgement = judge(starts_within(600), facts, noon + 11min);
    REQUIRE(keys(judgement.breaches) == Texts{"start_within schedule 0 2026-11-20T12:00:00Z"});
    CHECK(judgement.breaches[0].run_id == 0);
    CHECK(judgement.breaches[0].message ==
          "the run of 2026-11-20T12:00:00Z did not exist by 2026-11-20T12:10:30Z; expected: start_within 10m");
    tell(facts, judgement);
    facts.schedules.clear();
    facts.runs = {due_at_noon(noon + 12min)};
    judgement = judge(starts_within(600), facts, noon + 12min);
    CHECK(judgement.breaches.empty());
    CHECK(judgement.recoveries.size() == 1);
}

TEST_CASE("times that passed with no daemon are over when a later run begins") {
    auto facts = facts_of({due_at_noon()});
    facts.open = {missed_firings("f", 0, noon - 3h, 3, true, noon)};
    facts.told = {facts.open[0].key};
    CHECK(judge(starts_within(600), facts, noon + 1s).recoveries.empty());
    facts.runs[0].began = noon + 2s;
    CHECK(judge(starts_within(600), facts, noon + 3s).recoveries.size() == 1);
}

TEST_CASE("a run has to end within its time, however it was started, and once late is over when it ends") {
    Expectations expected;
    expected.finish_within = 3600;
    auto run = due_at_noon(noon);
    run.schedule.reset();
    auto facts = facts_of({run});
    CHECK(judge(expected, facts, noon + 59min).look_again == noon + 1h);
    const auto judgement = judge(expected, facts, noon + 2h);
    REQUIRE(keys(judgement.breaches) == Texts{"finish_within run 7"});
    CHECK(judgement.breaches[0].message ==
          "run 7 was asked for at 2026-11-20T12:00:00Z and had not ended by 2026-11-20T13:00:00Z; expected: finish_within 1h");
    tell(facts, judgement);
    facts.runs[0].ended = noon + 3h;
    facts.runs[0].state = State::Failed;
    CHECK(judge(expected, facts, noon + 3h).recoveries.size() == 1);
    CHECK(judge(expected, facts, noon + 3h).breaches.empty());
}

TEST_CASE("loads grow stale, from the deploy where there was none, and are fresh again with the next one") {
    Expectations expected;
    expected.fresh = 86400;
    auto facts = facts_of();
    CHECK(keys(judge(expected, facts, noon).breaches) == Texts{"fresh since 2026-11-19T12:00:00Z"});
    facts.last_load = noon - 23h;
    auto judgement = judge(expected, facts, noon);
    CHECK(judgement.breaches.empty());
    CHECK(judgement.look_again == noon + 1h);
    judgement = judge(expected, facts, noon + 1h);
    REQUIRE(keys(judgement.breaches) == Texts{"fresh since 2026-11-19T13:00:00Z"});
    CHECK(judgement.breaches[0].kind == "stale");
    CHECK(judgement.breaches[0].message == "no load completed since 2026-11-19T13:00:00Z; expected: fresh 1d");
    tell(facts, judgement);
    facts.last_load.reset(); // too long ago to be looked for
    CHECK(judge(expected, facts, noon + 400h).breaches.empty());
    facts.last_load = noon + 2h;
    CHECK(judge(expected, facts, noon + 3h).recoveries.size() == 1);
}

TEST_CASE("loads that change nothing are fresh, and yet no new rows") {
    Expectations expected;
    expected.fresh = expected.new_rows = 3600;
    auto facts = facts_of();
    facts.last_load = noon;
    facts.last_change = noon - 2h;
    CHECK(keys(judge(expected, facts, noon + 1min).breaches) == Texts{"new_rows since 2026-11-20T10:00:00Z"});
}

TEST_CASE("a dataset with too few or too many rows is told with its run, until a later one is as it should be") {
    Expectations expected;
    expected.rows = {{"hours", 1, 100}};
    auto facts = facts_of({due_at_noon(noon, noon + 1min)});
    const auto breaches = [&](std::int64_t rows) {
        facts.runs[0].rows["hours"] = rows;
        return judge(expected, facts, noon + 2min).breaches;
    };
    CHECK(breaches(1).empty());
    CHECK(breaches(100).empty());
    CHECK(keys(breaches(101)) == Texts{"rows.hours run 7"});
    REQUIRE(keys(breaches(0)) == Texts{"rows.hours run 7"});
    CHECK(breaches(0)[0].message == "hours has 0 rows in run 7; expected: 1 to 100");
    tell(facts, judge(expected, facts, noon + 2min));
    auto next = due_at_noon(noon + 1h, noon + 1h + 1min);
    next.id = 8;
    next.rows["hours"] = 5;
    facts.runs.push_back(next);
    const auto judgement = judge(expected, facts, noon + 2h);
    REQUIRE(judgement.recoveries.size() == 1);
    CHECK(judgement.recoveries[0].message == "hours has 5 rows in run 8");
    facts.runs[0].rows.clear(); // a run that did not make it says nothing of it
    facts.told.clear();
    CHECK(judge(expected, facts, noon + 2h).breaches.empty());
}

TEST_CASE("what is not expected any more is over") {
    auto facts = facts_of({due_at_noon()});
    tell(facts, judge(starts_within(60), facts, noon + 1h));
    const auto judgement = judge({}, facts, noon + 1h);
    REQUIRE(judgement.recoveries.size() == 1);
    CHECK(judgement.recoveries[0].message == "it is not expected any more");
}

TEST_CASE("what is over for many runs at once is told in one text for each reason") {
    std::vector<Recovery> over;
    for (const std::int64_t id : {1, 2, 3}) over.push_back({{"f", "rows.a", run_subject(id)}, "a has 6 rows in run 4", noon});
    over.push_back({{"f", "finish_within", run_subject(3)}, "run 3 ended at 2026-11-20T12:00:00Z", noon});
    CHECK(texts_of(over) == Texts{"run 3 ended at 2026-11-20T12:00:00Z", "a has 6 rows in run 4 (over for 3 runs)"});
    CHECK(texts_of({}).empty());
}
