// Instants of schedules that passed while nobody was there to fire: what `missed` says of them.
#include "given_schedules.hpp"

using namespace millrace;
using namespace millrace::test;
using namespace std::chrono_literals;

TEST_CASE("after downtime, `missed` says which of the passed instants fire") {
    const auto [policy, expected] = GENERATE(table<std::string, Texts>({
        {"last", {"2026-11-20T17:00:00Z"}},
        {"all", {"2026-11-20T13:00:00Z", "2026-11-20T14:00:00Z", "2026-11-20T15:00:00Z", "2026-11-20T16:00:00Z", "2026-11-20T17:00:00Z"}},
        {"none", {}},
    }));
    CAPTURE(policy);
    FreshDatabase database;
    auto life = back_at(database, noon + 5h + 30min, flow_of(missed(every(3600), policy)));
    life.step(1s);
    CHECK(nominal(life) == expected);
    life.step_to(noon + 6h);
    REQUIRE(nominal(life).size() == expected.size() + 1);
    CHECK(nominal(life).back() == "2026-11-20T18:00:00Z");
}

TEST_CASE("an instant that is on time fires whatever passed before it") {
    const auto [policy, expected] = GENERATE(table<std::string, Texts>({
        {"last", {"2026-11-20T14:00:00Z"}},
        {"all", {"2026-11-20T13:00:00Z", "2026-11-20T14:00:00Z"}},
        {"none", {"2026-11-20T14:00:00Z"}},
    }));
    CAPTURE(policy);
    FreshDatabase database;
    auto life = back_at(database, noon + 2h + 5s, flow_of(missed(every(3600), policy)));
    life.step(1s);
    CHECK(nominal(life) == expected);
}

TEST_CASE("what passed before a restart does not fire again after it") {
    FreshDatabase database;
    const auto plan = flow_of(missed(every(3600), "none"));
    {
        auto down = back_at(database, noon + 3h + 30min, plan);
        down.step(1s);
        down.until([&] { return asked(database.url(), "select next_at from millrace.schedule") == "2026-11-20 16:00:00+00"; });
    }
    auto all = plan; // counted from the last change of the schedule: nothing that the policy `none` let pass
    all.schedules[0].missed = "all";
    Life life(database.url(), {all}, noon + 3h + 40min);
    life.step(1s);
    CHECK(nominal(life).empty());
}

TEST_CASE("missed instants are far more than run numbers at hand, and each makes its run once") {
    FreshDatabase database;
    auto life = back_at(database, noon + 200min + 30s, flow_of(missed(every(60), "all"), "allow"));
    for (int i = 0; i < 200 && asked(database.url(), "select count(*) from millrace.firing") != "200"; ++i) {
        life.stepped.step_to(life.stepped.now() + 100ms); // more numbers are on their way
        life.io.restart();
        life.io.run_for(2ms);
    }
    life.until([&] { return life.started.size() == 200; });
    check_nominal(life, 200, "2026-11-20T12:01:00Z", "2026-11-20T15:20:00Z");
}

TEST_CASE("`missed: last` is one run however many instants passed") {
    FreshDatabase database;
    auto life = back_at(database, noon + 4h, flow_of(cron("* * * * * *")));
    life.stepped.step_to(noon + 4h);
    life.settle();
    CHECK(nominal(life).size() <= 61); // of the minute that counts as on time
    CHECK(nominal(life).back() == "2026-11-20T16:00:00Z");
}

TEST_CASE("catch-ups queue whatever `overlap` says") {
    const std::string overlap = GENERATE("skip", "allow", "cancel_previous");
    CAPTURE(overlap);
    FreshDatabase database;
    const auto plan = flow_of(missed(every(3600), "all"), overlap, "hang");
    {
        auto life = back_at(database, noon + 3h + 30min, plan);
        life.step(1s);
        CHECK(states(life) == Texts{"running", "pending", "pending"});
        CHECK(life.runs("f")[2].at("state_name") == "Queued");
    }
    Life life(database.url(), {plan}, noon + 3h + 31min); // and after a restart they still do
    life.step(1s);
    CHECK(states(life) == Texts{"running", "pending", "pending"});
    life.cancel(life.runs("f")[0].at("id"));
    life.settle();
    CHECK(states(life) == Texts{"cancelled", "running", "pending"});
}
