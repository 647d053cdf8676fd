/// A runner on a fake clock between a journal and hosts that answer when the test says so, and nothing else of a node.
#pragma once

#include "../folder.hpp"
#include "given_flows.hpp"
#include "scheduler/catalogue.hpp"
#include "scheduler/runner.hpp"

#include <deque>
#include <set>

namespace millrace::test {

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
        settings.staging = folder.path;
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
    std::int64_t admit(const FlowPlan& plan, Json params = Json::object()) {
        RunRow row;
        row.id = ids.take();
        row.flow = plan.name;
        row.params = std::move(params);
        row.staging_id = "s" + std::to_string(row.id);
        if (plan.interval) row.interval_start = clock.now(), row.interval_end = clock.now() + std::chrono::hours(3);
        RunStart start;
        start.plan = std::make_shared<const FlowPlan>(plan);
        const auto id = row.id;
        runner->admit(std::move(row), std::move(start), {}, {});
        return id;
    }
    /// As after the end of the node that had it.
    void take_over(RunRow row, const FlowPlan& plan) {
        Runner::Resumed run;
        run.row = std::move(row);
        run.plan = std::make_shared<const FlowPlan>(plan);
        std::vector<Runner::Resumed> all;
        all.push_back(std::move(run));
        runner->resume_all(std::move(all));
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
    void pass(std::chrono::microseconds time) {
        clock.advance_to(clock.now() + time);
        settle();
    }
    /// On the disk, which is looked at each second.
    void make_room() {
        shortage.clear();
        runner->set_admitting(true);
        settle();
    }
    void cancel(std::int64_t id) { (void)runner->cancel(id, "by the test", {}); }
    std::string state(std::int64_t id) const {
        std::string out = "none";
        for (const auto& row : journal.runs)
            if (row.id == id) out = std::string(to_string(row.state)) + "/" + row.state_name;
        return out;
    }

    Folder folder; ///< of datasets
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

inline FlowPlan in_chunks(FlowPlan plan) {
    plan.interval = IntervalSpec{};
    plan.interval->chunk.seconds = 3600;
    return plan;
}

inline constexpr TaskKey first_task{0, -1};

} // namespace millrace::test
