// The runner alone, on a fake clock: what it submits is committed or refused when the test says so, together as it likes.
#include "given_flows.hpp"
#include "plan_text.hpp"
#include "scheduler/catalogue.hpp"
#include "scheduler/runner.hpp"

#include <catch2/catch.hpp>

#include <deque>
#include <filesystem>
#include <set>

#include <unistd.h>

using namespace millrace;
using namespace millrace::test;
using namespace std::chrono_literals;

namespace {

struct HandJournal final : Journal {
    void submit(RunChanges changes) override { submitted.push_back(std::move(changes)); }
    [[nodiscard]] std::size_t backlog() const override { return rows; }
    /// What is submitted, as one commit.
    void commit() { refuse(none); }
    /// The same, without what is of this run.
    void refuse(std::int64_t run_id) {
        for (auto& changes : std::exchange(submitted, {})) changes.run_id == run_id ? tell_refused(changes) : tell_committed(changes);
    }

    std::deque<RunChanges> submitted;
    std::size_t rows = 0;
    std::multiset<std::pair<std::int64_t, TaskKey>> released; ///< by what was committed
    std::vector<RunRow> runs;                                 ///< rows that were committed
    std::map<std::string, std::int64_t> lines;                ///< by flow: whose turn it is

private:
    static constexpr std::int64_t none = -1;
    void tell_committed(const RunChanges& changes) {
        if (const auto at = lines.find(changes.leaves_line); at != lines.end() && at->second == changes.run_id) lines.erase(at);
        if (const auto& claim = changes.claims_line) {
            claim->holder = lines.try_emplace(claim->flow, claim->run_id).first->second;
            claim->granted = claim->holder == claim->run_id;
        }
        for (const auto key : changes.released) released.emplace(changes.run_id, key);
        if (changes.new_run) runs.push_back(*changes.new_run);
        for (const auto& row : changes.also_new) runs.push_back(row);
        if (changes.run) runs.push_back(*changes.run);
        if (changes.committed) changes.committed();
    }
    static void tell_refused(const RunChanges& changes) {
        if (changes.refused) changes.refused("23514", "simulated");
    }
};

struct HandHosts final : AttemptRunner {
    void listen(AttemptListener& l) override { listener = &l; }
    [[nodiscard]] int free_places(const std::string&) const override { return 100; }
    void start(AttemptOrder order) override { started.push_back(order); }
    void cancel(OrderId id) override { cancelled.push_back(id); }
    void kill_all() override {}
    OrderId evaluate(EvaluateOrder, std::function<void(EvaluateReply)> answer) override {
        asked.push_back(std::move(answer));
        return -static_cast<OrderId>(asked.size());
    }
    void drop(OrderId question) override { dropped.push_back(question); }
    void infer(InferOrder, std::function<void(InferReply)>) override {}
    void end(OrderId id, const std::string& outcome) const {
        AttemptDone done;
        done.id = id;
        done.outcome = outcome;
        if (outcome != "completed") done.error = OrderError{outcome == "lost" ? "crashed" : "permanent", "it broke", {}, 0};
        listener->attempt_done(done);
    }

    AttemptListener* listener = nullptr;
    std::vector<AttemptOrder> started;
    std::vector<OrderId> cancelled, dropped;
    std::vector<std::function<void(EvaluateReply)>> asked;
};

struct Counter final : RunIds {
    [[nodiscard]] std::int64_t take() override { return on_their_way ? 0 : ++last; }
    std::int64_t last = 0;
    bool on_their_way = false;
};

struct Node {
    Node() {
        Runner::Settings settings;
        settings.staging = std::filesystem::temp_directory_path() / ("millrace-runner-" + std::to_string(getpid()));
        settings.most_backlog = 10;
        settings.short_of_disk = [this] { return shortage; };
        auto claim = [this](std::int64_t run, TaskKey, const std::vector<SlotDemand>& demands, std::function<void(SlotClaim)> answer) {
            asked.push_back(run);
            claims.push_back([this, limit = demands.front().key, answer = std::move(answer)] {
                if (free_slots-- > 0) return answer({true, {}, {}, {}});
                free_slots = 0;
                answer({false, {}, limit, "run 7 (load) has it"});
            });
        };
        runner = std::make_unique<Runner>(io, clock, journal, hosts, connections, caused_runs, std::move(claim), ids, events,
                                          std::move(settings));
    }
    void deploy(const FlowPlan& plan) {
        DeployedFlow flow;
        flow.name = plan.name;
        flow.plan = std::make_shared<const FlowPlan>(plan);
        catalogue.replace({flow});
    }
    std::int64_t admit(const FlowPlan& plan) {
        RunRow row;
        row.id = ids.take();
        row.flow = plan.name;
        row.staging_id = "s" + std::to_string(row.id);
        if (plan.interval) row.interval_start = clock.now(), row.interval_end = clock.now() + 3h;
        RunStart start;
        start.plan = std::make_shared<const FlowPlan>(plan);
        const auto id = row.id;
        runner->admit(std::move(row), std::move(start), {}, {});
        return id;
    }
    void turn() {
        io.restart();
        io.poll();
    }
    void grant() {
        for (const auto& answer : std::exchange(claims, {})) answer();
    }
    /// Grants what is claimed and commits what is submitted until there is no more.
    void settle() {
        for (turn(); !journal.submitted.empty() || !claims.empty(); turn()) grant(), journal.commit();
    }
    void cancel(std::int64_t id) { (void)runner->cancel(id, "by the test", {}); }
    std::string state(std::int64_t id) const {
        std::string out = "none";
        for (const auto& row : journal.runs)
            if (row.id == id) out = std::string(to_string(row.state)) + "/" + row.state_name;
        return out;
    }

    boost::asio::io_context io;
    FakeClock clock;
    HandJournal journal;
    HandHosts hosts;
    NoConnections connections;
    Catalogue catalogue;
    CausedRuns caused_runs{catalogue, connections};
    Counter ids;
    EventHub events;
    std::vector<std::function<void()>> claims; ///< answers, not given yet
    std::vector<std::int64_t> asked;           ///< the runs that claimed, in order
    int free_slots = 1000;
    std::string shortage; ///< of the disk
    std::unique_ptr<Runner> runner;
};

FlowPlan in_chunks(FlowPlan plan) {
    plan.interval = IntervalSpec{};
    plan.interval->chunk.seconds = 3600;
    return plan;
}

constexpr TaskKey first_task{0, -1};

} // namespace

TEST_CASE("a queued run that is cancelled in the commit in which the one before it ends does not begin, and the next one does") {
    const bool chunked = GENERATE(false, true);
    CAPTURE(chunked);
    Node node;
    const auto plan = chunked ? in_chunks(plan_text("a: run", "f")) : plan_text("a: run", "f");
    const auto a = node.admit(plan), b = node.admit(plan), c = node.admit(plan);
    node.settle();
    REQUIRE(node.hosts.started.size() == 1);
    node.cancel(a);
    node.hosts.end(node.hosts.started[0].id, "cancelled");
    if (chunked) node.turn(), node.journal.commit(); // the child's end, then the parent's
    node.cancel(b);
    node.settle();
    CHECK(node.state(a) == "cancelled/Cancelled");
    CHECK(node.state(b) == "cancelled/Cancelled");
    REQUIRE(node.hosts.started.size() == 2);
    const auto second = node.hosts.started[1].context.run_id;
    CHECK((chunked ? node.runner->find(second)->row.parent_id.value() : second) == c);
    CHECK(node.runner->live_count() == (chunked ? 2U : 1U));
}

TEST_CASE("items that begin and end in several turns of the loop are one row each of one commit") {
    FlowPlan plan;
    plan.name = "f";
    TaskPlan each;
    each.name = "each";
    each.verb = Verb::Wait;
    each.options["seconds"] = 0.0;
    each.map_over = ForEach{"", "select n from range(3000) as r(n)"};
    plan.tasks = {each};
    Node node;
    const auto id = node.admit(plan);
    node.settle();
    EvaluateReply reply; // of which a turn does a third
    for (int i = 0; i < 3000; ++i) reply.rows.push_back(i);
    node.hosts.asked.at(0)(reply);
    node.turn();
    REQUIRE(node.journal.submitted.size() == 1);
    const auto& rows = node.journal.submitted.front().task_runs;
    REQUIRE(rows.size() == 3001); // with the task itself
    const auto done = [](const TaskRunRow& row) { return row.state == State::Completed && row.is_new == (row.key.item >= 0); };
    CHECK(std::all_of(rows.begin(), rows.end(), done));
    CHECK(rows[2999].value == "2999");
    CHECK(rows[2999].attempts == 1);
    node.settle();
    CHECK(node.state(id) == "completed/Completed");
}

TEST_CASE("a question is dropped with its run, asked once however often the run is paused, and shown while it has no answer") {
    auto plan = plan_text("a: run when=x", "f");
    if (const bool of_items = GENERATE(false, true); of_items) {
        plan.tasks[0].when.clear();
        plan.tasks[0].map_over = ForEach{"", "select 1"};
    }
    plan.timeout = 60;
    Node node;
    const auto id = node.admit(plan);
    node.settle();
    REQUIRE(node.hosts.asked.size() == 1);
    const auto pass = [&](std::chrono::seconds time) { node.clock.advance_to(node.clock.now() + time), node.settle(); };
    const auto& task = node.runner->find(id)->machine->at(first_task);
    CHECK(task.state_name == std::string("Pending"));
    pass(2s);
    CHECK(task.state_name == std::string("WaitingForAnswer"));
    CHECK(task.details->message == (plan.tasks[0].when.empty() ? "its `for_each` is computed" : "its `when` is computed"));
    CHECK(node.runner->pause(id, "by the test", {}));
    CHECK(node.runner->resume(id, "by the test", {}));
    node.settle();
    CHECK(node.hosts.asked.size() == 1);
    CHECK(node.hosts.dropped.empty());
    EvaluateReply reply;
    SECTION("cancelled") {
        node.cancel(id), node.settle();
        CHECK(node.state(id) == "cancelled/Cancelled");
        CHECK(node.hosts.dropped == std::vector<OrderId>{-1});
    }
    SECTION("out of time") {
        pass(60s);
        CHECK(node.state(id) == "failed/TimedOut");
        CHECK(node.hosts.dropped == std::vector<OrderId>{-1});
    }
    SECTION("refused by the store") {
        CHECK(node.runner->pause(id, "by the test", {}));
        node.journal.refuse(id);
        CHECK(node.hosts.dropped == std::vector<OrderId>{-1});
    }
    SECTION("answered") {
        node.runner->set_admitting(false); // as if there were no place for it
        reply.rows.push_back(plan.tasks[0].when.empty() ? Json(1) : Json{{"holds", true}});
        node.hosts.asked[0](reply);
        node.settle();
        CHECK(std::string_view(task.state_name) == (plan.tasks[0].when.empty() ? "Mapped" : "Pending"));
        CHECK(task.details->message.empty());
        node.cancel(id), node.settle();
        CHECK(node.hosts.dropped.empty());
    }
    node.hosts.asked[0](reply); // too late
    node.settle();
}

TEST_CASE("how long a run was paused is in its row: whoever takes it over leaves that out of its timeout") {
    auto plan = plan_text("a: run", "f");
    plan.timeout = 30;
    Node first, second;
    const auto id = first.admit(plan);
    first.settle();
    const auto pass = [](Node& node, std::chrono::seconds time) { node.clock.advance_to(node.clock.now() + time), node.settle(); };
    pass(first, 20s);
    CHECK(first.runner->pause(id, "by the test", {}));
    pass(first, 500s);
    if (GENERATE(true, false)) {
        CHECK(first.runner->resume(id, "by the test", {}));
        first.settle();
    }
    Runner::Resumed taken_over;
    taken_over.row = first.journal.runs.back();
    taken_over.plan = std::make_shared<const FlowPlan>(plan);
    second.clock.advance_to(first.clock.now());
    std::vector<Runner::Resumed> all;
    all.push_back(std::move(taken_over));
    second.runner->resume_all(std::move(all));
    second.settle();
    (void)second.runner->resume(id, "by the test", {});
    pass(second, 9s);
    CHECK(second.runner->find(id)->machine->state() == State::Running);
    pass(second, 2s);
    CHECK(second.runner->find(id)->row.state_name == "TimingOut");
}

TEST_CASE("an older run that is taken over does not take the place of the newer one that has begun") {
    auto plan = plan_text("a: run", "f");
    plan.overlap = "cancel_previous";
    Node dead, node;
    const auto older = dead.admit(plan);
    dead.settle();
    node.clock.advance_to(node.clock.now() + 1s);
    node.ids.last = older;
    const auto newer = node.admit(plan);
    node.settle();
    Runner::Resumed taken_over;
    taken_over.row = dead.journal.runs.front();
    taken_over.row.state = State::Pending;
    taken_over.plan = std::make_shared<const FlowPlan>(plan);
    std::vector<Runner::Resumed> all;
    all.push_back(std::move(taken_over));
    node.runner->resume_all(std::move(all));
    node.settle();
    CHECK(node.runner->find(newer)->row.state == State::Running);
    CHECK_FALSE(node.runner->find(older));
    CHECK(node.state(older) == "cancelled/Cancelled");
}

TEST_CASE("a run in chunks that is parked begins no further chunk") {
    Node node;
    auto plan = in_chunks(plan_text("a: run", "f"));
    const auto id = node.admit(plan);
    node.settle();
    node.hosts.end(node.hosts.started.at(0).id, "completed");
    node.journal.commit();   // of the first chunk
    node.journal.refuse(id); // but not that the second one begins, which does
    node.turn();
    REQUIRE(node.hosts.started.size() == 2);
    node.journal.refuse(id); // nor the end of the whole; it is tried again in a while
    node.hosts.end(node.hosts.started[1].id, "completed");
    node.settle();
    CHECK(node.hosts.started.size() == 2);
    node.clock.advance_to(node.clock.now() + 10s);
    node.settle();
    CHECK(node.state(id) == "crashed/Unrecordable");
    CHECK(node.runner->live_count() == 0);
}

TEST_CASE("a run that crashed by itself is parked too when its end is refused") {
    Node node;
    const auto plan = plan_text("a: run", "f");
    const auto id = node.admit(plan), next = node.admit(plan);
    for (std::size_t i = 0; !node.runner->find(id)->closing; ++i) { // until its crashes are no longer forgiven
        node.settle();
        if (i < node.hosts.started.size()) node.hosts.end(node.hosts.started[i].id, "lost");
        node.clock.advance_to(node.clock.now() + 10s);
    }
    REQUIRE(node.runner->find(id)->row.state == State::Crashed);
    node.journal.refuse(id);
    node.settle();
    CHECK(node.state(id) == "crashed/Unrecordable");
    CHECK(node.runner->find(id) == nullptr);
    CHECK(node.runner->find(next)->begun);
}

TEST_CASE("the end of a parked run that is refused is written again") {
    Node node;
    const auto id = node.admit(plan_text("a: run", "f"));
    node.settle();
    node.hosts.end(node.hosts.started[0].id, "completed");
    node.journal.refuse(id);
    for (int i = 0; i < 3; ++i) {
        node.turn();
        REQUIRE(node.journal.submitted.size() == 1);
        node.journal.refuse(id);
        node.turn();
        CHECK(node.journal.submitted.empty()); // not at once
        node.clock.advance_to(node.clock.now() + 10s);
    }
    node.settle();
    CHECK(node.state(id) == "crashed/Unrecordable");
    CHECK(node.runner->live_count() == 0);
}

TEST_CASE("a run that is parked while it waits for the journal gives back the slots of what had ended") {
    Node node;
    const auto id = node.admit(plan_text("a: run limit=one\n b: run", "f"));
    node.settle();
    REQUIRE(node.hosts.started.size() == 2);
    const bool a_first = node.hosts.started[0].task == "a";
    node.hosts.end(node.hosts.started[a_first ? 1 : 0].id, "completed");
    node.journal.rows = 11; // the store is slow
    node.hosts.end(node.hosts.started[a_first ? 0 : 1].id, "completed");
    CHECK(node.journal.submitted.size() == 1);
    node.journal.rows = 0;
    node.journal.refuse(id);
    node.settle();
    CHECK(node.state(id) == "crashed/Unrecordable");
    CHECK(node.journal.released.contains({id, first_task}));
}

TEST_CASE("a slot that is given back in one commit with refused rows of its run is given back all the same") {
    Node node;
    const auto id = node.admit(plan_text("a: run limit=one\n b: run", "f"));
    node.journal.commit();
    (void)node.runner->pause(id, "the test", {});
    node.grant(); // it is not wanted any more
    REQUIRE(node.journal.submitted.back().released == std::vector{first_task});
    node.journal.refuse(id);
    node.settle();
    CHECK(node.journal.released.contains({id, first_task}));
}

TEST_CASE("a call that waits for the number of its run gives its slots back where it does not begin, and asks for them again") {
    Node node;
    node.deploy(plan_text("a: run", "inner"));
    auto plan = plan_text("f: flow calls=inner limit=one", "f");
    plan.timeout = 60;
    const auto id = node.admit(plan);
    node.ids.on_their_way = true;
    node.settle();
    REQUIRE(node.asked.size() == 1);
    const auto pass = [&](std::chrono::milliseconds time) { node.clock.advance_to(node.clock.now() + time), node.settle(); };
    const auto given_back = [&] { return node.journal.released.count({id, first_task}); };
    pass(1s);
    CHECK(given_back() == 0);
    SECTION("cancelled") {
        node.cancel(id), node.settle();
        pass(20ms);
        CHECK(node.state(id) == "cancelled/Cancelled");
        CHECK(given_back() == 1);
    }
    SECTION("out of time") {
        pass(60s);
        CHECK(node.state(id) == "failed/TimedOut");
        CHECK(given_back() == 1);
    }
    SECTION("refused by the store") {
        CHECK(node.runner->pause(id, "by the test", {}));
        node.journal.refuse(id);
        pass(20ms);
        CHECK(node.state(id) == "crashed/Unrecordable");
        CHECK(given_back() == 1);
    }
    SECTION("paused for a while") {
        CHECK(node.runner->pause(id, "by the test", {}));
        pass(20ms);
        CHECK(given_back() == 1);
        node.ids.on_their_way = false;
        pass(1s);
        CHECK(node.asked.size() == 1);
        CHECK(node.hosts.started.empty());
        CHECK(node.runner->resume(id, "by the test", {}));
        node.settle();
        CHECK(node.asked.size() == 2);
        REQUIRE(node.hosts.started.size() == 1);
        CHECK(given_back() == 1);
        node.hosts.end(node.hosts.started[0].id, "completed");
        node.settle();
        CHECK(node.state(id) == "completed/Completed");
        CHECK(given_back() == 2);
    }
    SECTION("paused and resumed at once") { // it has them still
        CHECK(node.runner->pause(id, "by the test", {}));
        CHECK(node.runner->resume(id, "by the test", {}));
        node.ids.on_their_way = false;
        node.settle();
        pass(1s);
        CHECK(node.asked.size() == 1);
        CHECK(node.hosts.started.size() == 1);
        CHECK(given_back() == 0);
    }
}

TEST_CASE("a run that is parked stops what it called, whose slots are free when that has ended") {
    Node node;
    node.deploy(plan_text("a: run", "inner"));
    const auto id = node.admit(plan_text("f: flow calls=inner limit=one\n b: run", "f")), inner = id + 1;
    node.settle();
    REQUIRE(node.hosts.started.size() == 2);
    REQUIRE(node.hosts.started[1].context.run_id == inner);
    node.hosts.end(node.hosts.started[0].id, "completed");
    node.journal.refuse(id);
    node.settle();
    CHECK(node.state(id) == "crashed/Unrecordable");
    CHECK(node.hosts.cancelled == std::vector{node.hosts.started[1].id});
    CHECK_FALSE(node.journal.released.contains({id, first_task}));
    node.hosts.end(node.hosts.started[1].id, "cancelled");
    node.settle();
    CHECK(node.state(inner) == "cancelled/Cancelled");
    CHECK(node.journal.released.contains({id, first_task}));
    CHECK(node.runner->live_count() == 0);
}

TEST_CASE("a call that is dropped with the refused rows of its run calls nothing, and its slots are given back") {
    Node node;
    node.deploy(plan_text("a: run", "inner"));
    auto plan = plan_text("f: flow calls=inner limit=one\n b: run", "f");
    plan.overlap = "allow"; // it begins at once
    const auto id = node.admit(plan), inner = id + 1;
    node.turn();
    REQUIRE(node.claims.size() == 1);
    if (const bool is_stored = GENERATE(true, false); is_stored) {
        node.journal.commit();
        node.hosts.end(node.hosts.started.at(0).id, "completed");
        node.journal.rows = 11; // the store is slow
    }
    node.grant();
    CHECK(node.ids.last == inner);
    node.journal.rows = 0;
    node.journal.refuse(id);
    node.settle();
    CHECK(node.state(inner) == "none");
    CHECK(node.runner->live_count() == 0);
    CHECK(node.journal.released.contains({id, first_task}));
}

TEST_CASE("of those who wait for a limit one asks at a time, flows in turn, and each is told who has it") {
    Node node;
    node.free_slots = 1;
    auto f = plan_text("a: run limit=one", "f"), g = plan_text("a: run limit=one", "g");
    f.overlap = "allow";
    for (const auto* plan : {&f, &f, &f, &g}) {
        (void)node.admit(*plan);
        node.settle();
    }
    CHECK(node.asked == std::vector<std::int64_t>{1, 2}); // who comes later stands behind the second
    CHECK(node.runner->why_it_waits(1, first_task).empty());
    CHECK(node.runner->why_it_waits(4, first_task) == "waits for the limit 'one': run 7 (load) has it");
    std::vector<std::int64_t> started;
    for (std::size_t i = 0; i < 4; ++i) {
        REQUIRE(node.hosts.started.size() == i + 1);
        started.push_back(node.hosts.started[i].context.run_id);
        node.free_slots = 1;
        node.hosts.end(node.hosts.started[i].id, "completed");
        node.settle();
    }
    CHECK(started == std::vector<std::int64_t>{1, 2, 4, 3});
    CHECK(node.asked.size() <= 8);
    CHECK(node.runner->live_count() == 0);
}

TEST_CASE("a slot that another node frees is asked for within a second") {
    Node node;
    node.free_slots = 0;
    (void)node.admit(plan_text("a: run limit=one", "f"));
    node.settle();
    CHECK(node.hosts.started.empty());
    node.clock.advance_to(node.clock.now() + 1s);
    node.settle();
    CHECK(node.hosts.started.empty());
    node.free_slots = 1;
    node.clock.advance_to(node.clock.now() + 1s);
    node.settle();
    CHECK(node.hosts.started.size() == 1);
}

TEST_CASE("a limit of a connection counts for the runs whose parameter names it") {
    Node node;
    auto plan = plan_text("a: run", "f");
    plan.params.push_back({"workspace", "connection", {}, {}, {}, {}, false});
    plan.tasks[0].limits.push_back({"connection.b", 1, "workspace"});
    (void)node.admit(plan);
    node.settle();
    CHECK(node.asked.empty());
    CHECK(node.hosts.started.size() == 1);
}
TEST_CASE("task runs wait for room on the disk without an attempt, say so, and go on by themselves") {
    Node node;
    node.shortage = "1 MB are free in /staging, task runs begin with 2 MB";
    const auto id = node.admit(plan_text("a: run", "f"));
    node.settle();
    CHECK(node.hosts.started.empty());
    const auto& waits = node.runner->find(id)->machine->at(first_task);
    CHECK(waits.state == State::Pending);
    CHECK(waits.state_name == std::string("WaitingForDisk"));
    CHECK(waits.details->message == node.shortage);
    node.runner->set_admitting(true); // as each second
    node.settle();
    CHECK(node.hosts.started.empty());
    node.shortage.clear();
    node.runner->set_admitting(true);
    node.settle();
    REQUIRE(node.hosts.started.size() == 1);
    CHECK(waits.attempts == 1);
    CHECK(waits.details->message.empty());
    node.hosts.end(node.hosts.started[0].id, "completed");
    node.settle();
    CHECK(node.state(id) == "completed/Completed");
}

TEST_CASE("a task run that has its slots gives them back while the disk has no room, and claims them again") {
    Node node;
    auto plan = plan_text("a: run", "f");
    plan.tasks[0].limits = {{"one", 1}};
    plan.overlap = "allow"; // it begins at once
    const auto id = node.admit(plan);
    node.turn();
    REQUIRE(node.claims.size() == 1);
    node.shortage = "no room";
    node.settle();
    CHECK(node.journal.released.count({id, first_task}) == 1);
    CHECK(node.runner->find(id)->machine->at(first_task).state_name == std::string("WaitingForDisk"));
    node.shortage.clear();
    node.runner->set_admitting(true);
    node.settle();
    CHECK(node.hosts.started.size() == 1);
}

TEST_CASE("a run that is cancelled while it waits for room on the disk does not begin with the room") {
    Node node;
    node.shortage = "no room";
    const auto id = node.admit(plan_text("a: run", "f"));
    node.settle();
    node.cancel(id);
    node.settle();
    node.shortage.clear();
    node.runner->set_admitting(true);
    node.settle();
    CHECK(node.hosts.started.empty());
    CHECK(node.state(id) == "cancelled/Cancelled");
}
