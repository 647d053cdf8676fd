// RunPlan: which limits stand still while a person has paused the run.
#include "drive.hpp"

#include <utility>

using namespace millrace;
using test::Drive;
using test::plan_text;

namespace {

/// As the store has it, after a restart of the daemon.
void restart(Drive& d) {
    std::vector<StoredTaskRun> rows;
    for (int task = 0; task < static_cast<int>(d.plan->flow().tasks.size()); ++task) {
        const auto& run = d.plan->at({task, -1});
        auto& row = rows.emplace_back(StoredTaskRun{{task, -1}, {}}).run;
        row.state = run.state, row.state_name = run.state_name;
        row.attempts = run.attempts, row.charged = run.charged;
        row.started_at = run.started_at, row.due_at = run.due_at;
        if (run.details) row.detail().result = run.details->result;
    }
    auto next = std::make_unique<RunPlan>(std::make_shared<const FlowPlan>(d.plan->flow()), 7);
    std::vector<TaskKey> lost;
    next->restore(std::move(rows), d.plan->state(), test::start, d.now, lost, RunPlan::Ending::Cancelled, {}, d.plan->pauses());
    CHECK(lost.empty());
    for (int task = 0; task < static_cast<int>(next->flow().tasks.size()); ++task)
        if (const auto& run = next->at({task, -1}); run.details && run.details->called_run())
            next->called_since({task, -1}, *run.started_at);
    d.plan = std::move(next);
}

} // namespace

TEST_CASE("the timeout of a task that called a run stands still with both, over a restart in the pause and after it") {
    Drive d("f: flow calls=g timeout=100");
    d.begin(), d.decisions();
    d.started("f");
    const int restarts_in = GENERATE(0, 1, 2);
    d.plan->called(d.key("f"), 7, "g");
    d.pass(60);
    d.plan->pause(d.now);
    if (restarts_in == 1) restart(d);
    d.pass(500);
    CHECK(d.state("f") == "running/Running");
    d.plan->resume(d.now);
    if (restarts_in == 2) restart(d);
    d.pass(39.9);
    CHECK(d.decisions().empty());
    d.pass(0.1);
    CHECK(d.state("f") == "running/TimingOut");
    CHECK(d.decisions() == "stop f");
}

TEST_CASE("the timeout of a wait that asks stands still while nothing is asked") {
    Drive d("q: wait asks every=60 timeout=100");
    d.begin(), d.decisions();
    d.started("q"), d.not_yet("q");
    d.plan->pause(d.now);
    d.pass(500);
    d.plan->resume(d.now);
    CHECK(d.decisions() == "start q");
    d.started("q"), d.not_yet("q");
    d.pass(99);
    CHECK(d.state("q") != "failed/TimedOut");
    CHECK(d.decisions() == "start q");
    d.pass(1);
    CHECK(d.state("q") == "running/TimingOut");
}

TEST_CASE("a pause does not use up the time within which a task may be tried again") {
    auto flow = plan_text("a: extract retry=9");
    flow.tasks[0].retry.exponential = false;
    flow.tasks[0].retry.within = 60;
    Drive d(flow);
    d.begin(), d.decisions();
    d.started("a"), d.failed("a", "transient");
    d.plan->pause(d.now);
    if (GENERATE(false, true)) restart(d);
    d.pass(500);
    CHECK(d.decisions().empty());
    d.plan->resume(d.now);
    CHECK(d.decisions() == "start a");
    d.pass(60);
    CHECK(d.plan->may_start(d.key("a")));
    d.pass(1);
    CHECK_FALSE(d.plan->may_start(d.key("a")));
    CHECK(is_final(d.plan->at(d.key("a")).state));
}

TEST_CASE("an attempt that goes on in a pause keeps its timeout") {
    Drive d("a: extract timeout=100");
    d.begin(), d.decisions();
    d.started("a");
    d.plan->pause(d.now);
    d.pass(100);
    CHECK(d.decisions() == "stop a");
}
