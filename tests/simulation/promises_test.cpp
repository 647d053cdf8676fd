// What is promised of re-runs, backfills, called runs, turns and cancels, under faults, from seeds.
#include "pictures.hpp"
#include "process.hpp"
#include "seeds.hpp"

using namespace millrace;
using namespace millrace::test;

TEST_CASE("a re-run does nothing again that completed, whatever happens") {
    const auto repeated = [](std::uint64_t seed) {
        World world(seed, of_store_and_nodes(0.002), 2);
        std::int64_t first = 0, second = 0;
        const auto is_stored = [&](std::int64_t id) { return world.store.runs.contains(id); };
        while (!is_stored(first)) { // it may be lost with the node that took it
            if (const auto id = world.trigger(picture(2 + seed / 2 % 2))) first = id;
            for (int n = 0; n < 1000 && !is_stored(first); ++n) world.step();
        }
        for (auto n = world.random() % 400; n > 0; --n) world.step();
        while (!is_final(world.store.runs.at(first).row.state)) {
            (void)world.cancel(first);
            world.step();
        }
        while (!is_stored(second)) {
            if (const auto id = world.rerun(first)) second = id;
            for (int n = 0; n < 1000 && !is_stored(second); ++n) world.step();
        }
        for (int node = 0; node < 2 && seed % 2; ++node) world.kill(node); // before the items are known
        world.run_to_the_end();
        const auto did_nothing_again = [&](std::int64_t before, std::int64_t after) {
            for (const auto& run : world.store.task_runs(before))
                if (run.run.state == State::Completed) CHECK_FALSE(world.store.attempts.contains({after, run.key, 1}));
        };
        did_nothing_again(first, second);
        for (const auto& part : world.store.chunks(first)) {
            for (const auto& again : world.store.chunks(second)) {
                if (again.chunk_number != part.chunk_number) continue;
                CHECK(part.state != State::Completed);
                did_nothing_again(part.id, again.id);
            }
        }
    };
    for_each_seed(60, repeated);
}

TEST_CASE("a backfill runs each of its chunks once, never more at once than it may, whatever happens") {
    const auto filled = [](std::uint64_t seed) {
        World world(seed, of_store_and_nodes(0.001, 0.01), 2);
        Backfill backfill;
        backfill.every.seconds = 1800; // of three hours
        backfill.at_once = 1 + static_cast<int>(seed % 3);
        backfill.done = {2};
        std::int64_t id = 0;
        const auto run = [&] { return world.store.runs.find(id); };
        while (run() == world.store.runs.end()) { // it may be lost with the node that took it
            if (const auto taken = world.trigger(picture(3), backfill)) id = taken;
            for (int n = 0; n < 1000 && run() == world.store.runs.end(); ++n) world.step();
        }
        while (!is_final(run()->second.row.state)) {
            world.step();
            const auto chunks = world.store.chunks(id);
            REQUIRE(std::count_if(chunks.begin(), chunks.end(), [](const RunRow& c) { return !is_final(c.state); }) <= backfill.at_once);
        }
        world.run_to_the_end();
        CHECK(run()->second.row.state == State::Completed);
        std::vector<int> numbers;
        for (const auto& chunk : world.store.chunks(id)) {
            CHECK(chunk.state == State::Completed);
            numbers.push_back(chunk.chunk_number);
        }
        std::sort(numbers.begin(), numbers.end());
        CHECK(numbers == std::vector{1, 3, 4, 5, 6});
    };
    for_each_seed(60, filled);
}

TEST_CASE("what a run causes is made exactly once, and is waited for, whatever happens") {
    const auto caused = [](std::uint64_t seed) {
        World world(seed, of_store_and_nodes(0.001, 0.01), 2);
        const auto deploy = [&](const char* text, const char* name, const char* after = "") {
            auto plan = robust(plan_text(text, name));
            plan.overlap = seed % 2 ? "allow" : "queue";
            if (*after) plan.triggers.push_back({after, "completed"});
            world.deploy(plan);
            return plan;
        };
        deploy(seed % 3 ? "a: extract retry=5\n l: load <- a retry=5" : "a: extract\n l: load <- a",
               "inner"); // it may fail, and is called again
        deploy("i: flow calls=inner retry=5", "between");
        deploy("a: extract retry=5", "next", "outer");
        deploy("a: extract retry=5", "last", "next");
        const auto outer = deploy("a: extract retry=5\n f: flow <- a calls=between retry=5\n"
                                  "m: flow <- a each=a calls=inner concurrency=2 limit=w retry=5\n d: flow <- a calls=inner detach\n"
                                  "z: load <- f, m, d retry=5",
                                  "outer");
        for (int i = 0; i < 3;) {
            if (world.trigger(outer)) ++i;
            for (auto n = world.random() % 150; n > 0; --n) world.step();
        }
        world.run_to_the_end();
        std::map<std::pair<std::int64_t, TaskKey>, std::vector<State>> calls;
        std::map<std::int64_t, int> followers;
        for (const auto& [id, run] : world.store.runs) {
            CAPTURE(id, run.row.flow, run.row.message);
            CHECK((run.row.state == State::Completed || (seed % 3 == 0 && run.row.flow == "inner")));
            if (const auto caller = caller_of(run.row)) calls[{caller->run_id, caller->key}].push_back(run.row.state);
            if (run.row.options.contains("cause") && run.row.options.at("cause").contains("state"))
                ++followers[run.row.options.at("cause").at("run").get<std::int64_t>()];
        }
        for (const auto& [id, run] : world.store.runs) CHECK(followers[id] == (run.row.flow == "outer" || run.row.flow == "next" ? 1 : 0));
        for (const auto& [key, task] : world.store.tasks) {
            const auto& plan = world.store.plan_of(key.first);
            const auto& verb = plan.tasks[static_cast<std::size_t>(key.second.task)];
            if (verb.verb != Verb::Flow || verb.options.value("detach", false) || (verb.map_over && key.second.item < 0)) continue;
            CAPTURE(name_of(key.first, key.second));
            CHECK(calls[key].size() == static_cast<std::size_t>(task.row.attempts));
        }
    };
    for_each_seed(60, caused);
}

TEST_CASE("a run that is cancelled takes with it what it called, whatever happens") {
    const auto cancelled = [](std::uint64_t seed) {
        Faults faults = of_store_and_nodes(0.001);
        faults.seconds = 100;
        World world(seed, faults, 2);
        world.deploy(robust(plan_text("a: extract retry=5\n w: wait <- a seconds=7000", "inner"))); // it does not end by itself
        const auto outer = robust(plan_text("a: extract retry=5\n f: flow calls=inner\n m: flow <- a each=a calls=inner", "outer"));
        world.deploy(outer);
        std::set<std::int64_t> taken; // one may be lost with the node that took it, or be stored late
        const auto state_of = [&](std::int64_t id) {
            const auto at = world.store.runs.find(id);
            return at == world.store.runs.end() ? std::nullopt : std::optional(at->second.row.state);
        };
        while (std::none_of(taken.begin(), taken.end(), state_of)) {
            if (const auto id = world.trigger(outer)) taken.insert(id);
            for (int n = 0; n < 1000 && std::none_of(taken.begin(), taken.end(), state_of); ++n) world.step();
        }
        const auto is_called = [&](const auto& run) { return taken.contains(caller_of(run.second.row).value_or(CallingTask{}).run_id); };
        const auto calls = [&] { return std::any_of(world.store.runs.begin(), world.store.runs.end(), is_called); };
        for (auto n = seed % 2 ? world.random() % 400 : 400; n > 0 && (seed % 2 || !calls()); --n) world.step();
        bool dies = seed % 4 == 0;       // when the cancel is on record, and nothing that follows from it
        for (int n = 0; n < 5000; ++n) { // a node that dies with the cancel has forgotten it, unless it is on record
            for (const auto id : taken) {
                const auto state = state_of(id);
                if (state && *state != State::Cancelling && !is_final(*state)) (void)world.cancel(id);
                if (state == State::Cancelling && std::exchange(dies, false)) world.kill(0), world.kill(1);
            }
            world.step();
        }
        world.run_to_the_end();
        for (const auto& [id, run] : world.store.runs) {
            CAPTURE(id, run.row.state_name, run.row.message);
            const auto caller = caller_of(run.row).value_or(CallingTask{}).run_id;
            if (taken.contains(id) || taken.contains(caller)) CHECK(run.row.state == State::Cancelled);
        }
    };
    for_each_seed(60, cancelled);
}

TEST_CASE("runs of a flow go on one at a time, whichever node they are on and whatever happens") {
    const auto one_at_a_time = [](std::uint64_t seed) {
        Faults faults = of_store_and_nodes(0.0005, seed % 3 == 0 ? 0.01 : 0);
        faults.store_forgets = seed % 5 == 0 ? 0.0004 : 0;
        World world(seed, faults, 2 + static_cast<int>(seed % 2));
        const char* const policies[] = {"queue", "skip", "cancel_previous"};
        for (int i = 0; i < 24;) { // the world checks their turns
            auto plan = picture(i % 2 ? 3 : seed % 3);
            plan.overlap = policies[(seed / 3 + static_cast<std::uint64_t>(i) % 2) % 3];
            if (world.trigger(std::move(plan))) ++i;
            for (auto n = world.random() % (i % 6 ? 30 : 600); n > 0; --n) world.step();
        }
        world.run_to_the_end();
        std::map<std::string, int> completed;
        for (const auto& [id, run] : world.store.runs) {
            CAPTURE(id, run.row.flow, run.row.message);
            const auto& overlap = world.store.plan_of(id).overlap;
            const bool gave_way = overlap == "skip"              ? run.row.state == State::Skipped
                                  : overlap == "cancel_previous" ? run.row.state == State::Cancelled
                                                                 : false;
            CHECK((run.row.state == State::Completed || gave_way));
            if (run.row.state == State::Cancelled) CHECK_THAT(run.row.message, Catch::Contains("takes its place"));
            if (!run.row.parent_id) completed[run.row.flow] += run.row.state == State::Completed ? 1 : 0;
        }
        for (const auto& [flow, runs] : completed) CHECK(runs > 0);
    };
    for_each_seed(60, one_at_a_time);
}

TEST_CASE("a cancelled run ends, whatever happens") {
    const auto cancelled = [](std::uint64_t seed) {
        Faults faults = of_store_and_nodes(0.0005);
        faults.seconds = 100;
        World world(seed, faults, 2);
        std::int64_t id = 0;
        while (!(id = world.trigger(picture(seed % picture_count)))) world.step();
        const int when = static_cast<int>(world.random() % 400);
        for (int n = 0; n < when; ++n) world.step();
        const bool taken = world.cancel(id);
        world.run_to_the_end();
        // A daemon that dies before the commit of a cancel has forgotten it; the person saw no answer.
        if (taken && world.deaths == 0 && world.freezes == 0) CHECK(world.store.runs.at(id).row.state == State::Cancelled);
    };
    for_each_seed(100, cancelled, {926});
}
