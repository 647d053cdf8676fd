#include "fake_hosts.hpp"

#include "process.hpp"

#include <algorithm>

namespace millrace::test {
namespace {

/// What a node may not ask of a host. One whose epoch was taken, or whose store has lost history, may ask anything: it only does
/// not know yet, and nothing that it writes is taken.
void check(const Process& process, const World& world, const HostRun& host) {
    const auto& store = world.store;
    if (!store.is_a_nodes(host.epoch) || process.is_ahead_of_the_store()) return;
    const auto name = name_of(host.run_id, host.key);
    const auto at = store.attempts.find({host.run_id, host.key, host.attempt});
    if (at == store.attempts.end() || at->second != State::Running) broken(name + " started before its record was durable");
    const auto& run = store.runs.at(host.run_id);
    if (is_final(run.row.state)) broken(name + " starts in a run that ended");
    if (run.epoch != host.epoch) broken(name + " starts on a node that does not drive its run");
    if (is_final(store.tasks.at({host.run_id, host.key}).row.state)) broken(name + " runs again after its end");
    for (const int parent : store.plan_of(host.run_id).tasks[static_cast<std::size_t>(host.key.task)].needs)
        if (store.tasks.at({host.run_id, {parent, -1}}).row.state != State::Completed) broken(name + " starts before its parent ended");
    const auto valid = [&](const HostRun& other) { return store.is_a_nodes(other.epoch) && other.line == world.line(); };
    for (const auto& [id, other] : world.hosts)
        if (valid(other) && other.run_id == host.run_id && other.key == host.key) broken(name + ": two valid attempts at once");
    for (const auto& limit : store.plan_of(host.run_id).limits)
        if (store.held_by(host.epoch, host.run_id, {-1, -1}, limit.key) < limit.slots)
            broken(name + " starts while its run has no slots of " + limit.key);
    for (const auto& limit : host.limits) {
        if (store.held_by(host.epoch, host.run_id, host.key, limit.key) < limit.slots)
            broken(name + " starts without its slots of " + limit.key);
        int used = limit.slots;
        for (const auto& [id, other] : world.hosts)
            for (const auto& l : other.limits)
                if (valid(other) && l.key == limit.key) used += l.slots;
        if (used > store.slots_of(limit.key)) broken("the limit " + limit.key + " is exceeded by " + name);
    }
}

} // namespace

void FakeHosts::start(AttemptOrder order) {
    auto& world = process_.world();
    const auto run_id = order.context.run_id;
    const auto& tasks = process_.plan_of(run_id).tasks;
    const auto task = std::find_if(tasks.begin(), tasks.end(), [&](const auto& t) { return t.name == order.task; });
    const TaskKey key{static_cast<int>(task - tasks.begin()), order.item.is_null() ? -1 : order.item.get<int>()};
    const HostRun host{process_.node(),
                       process_.life(),
                       process_.epoch(),
                       order.id,
                       run_id,
                       key,
                       order.attempt,
                       task->limits,
                       order.context.run_key,
                       order.context.run_key + " " + order.task + " " + order.item.dump(),
                       world.line()};
    check(process_, world, host);
    process_.trace(name_of(run_id, key) + " attempt " + std::to_string(order.attempt) + " starts");
    const auto number = ++world.last_host;
    world.hosts.emplace(number, host);
    running_.emplace(order.id, number);

    const auto& f = world.faults;
    double dice = world.chance();
    if ((dice -= f.host_hangs) < 0 && task->verb != Verb::Wait) return; // a query has its time
    const bool dies = (dice -= f.host_dies) < 0, fails = !dies && (dice -= f.host_fails) < 0;
    const bool not_yet = task->verb == Verb::Wait && world.chance() < 0.7;
    const bool loads = task->verb == Verb::Load && !fails && (!dies || world.chance() < 0.5); // it may die when all is done
    const std::string message = fails && world.chance() < f.poison ? poison_text : "simulated";
    world.later(0.01 + 20 * world.chance(), [this, &world, number, host, dies, fails, loads, not_yet, message] {
        if (world.hosts.erase(number) == 0) return; // killed
        if (loads) world.target.load(host.batch, host.run_key, host.key);
        world.in_life(host.node, host.life, [this, host, dies, fails, not_yet, message] {
            const char* well = not_yet ? "not_yet" : "completed";
            report(host.order, dies ? "lost" : fails ? "failed" : well, dies ? "crashed" : "transient", message);
        });
    });
}

void FakeHosts::cancel(OrderId id) {
    const auto at = running_.find(id);
    if (at == running_.end()) return;
    process_.world().later(process_.world().chance(),
                           [this, id, number = at->second, &world = process_.world(), node = process_.node(), life = process_.life()] {
                               if (world.hosts.erase(number) == 0) return;
                               world.in_life(node, life, [this, id] { report(id, "cancelled", "cancelled", "simulated"); });
                           });
}

void FakeHosts::kill_all() {
    for (const auto& [id, number] : running_)
        if (process_.world().hosts.erase(number) > 0) process_.later(0.01, [this, id = id] { report(id, "lost", "crashed", "killed"); });
}

void FakeHosts::report(OrderId id, const std::string& outcome, const std::string& error_class, const std::string& message) {
    running_.erase(id);
    process_.trace("order " + std::to_string(id) + " is " + outcome);
    AttemptDone done;
    done.id = id;
    done.outcome = outcome;
    if (outcome != "completed" && outcome != "not_yet") done.error = OrderError{error_class, message, {}, 0};
    listener_->attempt_done(std::move(done));
}

OrderId FakeHosts::evaluate(EvaluateOrder order, std::function<void(EvaluateReply)> answer) {
    const bool items = order.max_rows > 1;
    const OrderId id = --last_question_;
    questions_.insert(id);
    process_.later(0.02, [this, id, items, answer = std::move(answer)] {
        if (questions_.erase(id) == 0) return; // dropped
        EvaluateReply reply;
        if (items)
            for (int i = 0; i < 5; ++i) reply.rows.push_back(i);
        else
            reply.rows.push_back({{"holds", true}});
        answer(std::move(reply));
    });
    return id;
}

} // namespace millrace::test
