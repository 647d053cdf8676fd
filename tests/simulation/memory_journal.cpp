#include "memory_journal.hpp"

#include "process.hpp"

#include <algorithm>

namespace millrace::test {
namespace {

constexpr double pause = 0.05; ///< between tries, s

} // namespace

MemoryJournal::MemoryJournal(Process& process, Epoch epoch, StorePosition known, Ended ended)
    : process_(process), epoch_(epoch), ended_(std::move(ended)), known_(std::move(known)),
      leased_until_(process.true_time() + process.world().store.lease) {}

void MemoryJournal::submit(RunChanges changes) {
    if (changes.firing) process_.check_firing(changes);
    *backlog_ += changes.task_runs.size();
    gathering_.push_back(std::move(changes));
    if (!std::exchange(busy_, true)) process_.later(0, [this] { next(); });
}

void MemoryJournal::next() {
    if (halves_.empty()) {
        busy_ = !gathering_.empty() && !dead_;
        if (!busy_) return;
        Group group = std::exchange(gathering_, {});
        turn_away(group);
        halves_.push_back(std::move(group));
    }
    if (halves_.front().empty()) return halves_.pop_front(), next();
    failures_ = 0;
    in_doubt_ = false;
    turn_away(halves_.front()); // chunks of a run that was refused in the first half
    if (halves_.front().empty()) return halves_.pop_front(), next();
    of_others_ = std::make_shared<std::vector<bool>>();
    lines_ = std::make_shared<MemoryStore::LineAnswers>();
    write();
}

void MemoryJournal::turn_away(Group& group) {
    Group stays, away;
    for (const auto& c : group) // a chunk of a run that is not to be
        if (c.new_run && c.new_run->parent_id && refused_runs_.contains(*c.new_run->parent_id)) refused_runs_.insert(c.run_id);
    for (auto& c : group) (c.even_if_refused || !refused_runs_.contains(c.run_id) ? stays : away).push_back(std::move(c));
    group = std::move(stays);
    if (!away.empty()) answer(std::move(away), Refusal("", "earlier rows of this run were refused"));
}

void MemoryJournal::write() {
    begin_ = process_.true_time();
    connected_ ? transact() : reconnect();
}

/// Whether the commit in doubt is in the store says the fence row.
void MemoryJournal::reconnect() {
    auto back = std::make_shared<Return>();
    line_ = process_.world().line();
    known_.wal = std::max(known_.wal, process_.wal());
    auto look = [back, known = known_, sequence = sequence_, epoch = epoch_, &store = process_.world().store, node = process_.node()] {
        const auto& row = store.nodes[node];
        *back = {known, store.position, sequence, row.epoch == epoch ? std::optional(row.journal_seq) : std::nullopt};
    };
    process_.transact("journal connects", std::move(look), [this, back](bool heard) {
        if (!heard) return process_.later(pause, [this] { reconnect(); });
        const auto verdict = judge(*back);
        if (verdict == Verdict::Fenced) return meets_the_fence();
        if (verdict == Verdict::Lost) return die(*back);
        known_ = back->found;
        connected_ = true;
        if (verdict != Verdict::Arrived) return transact();
        ++sequence_;
        process_.trace("the commit in doubt had arrived");
        lines_->clear();
        conclude();
    });
}

void MemoryJournal::transact() {
    auto written = std::make_shared<MemoryStore::Written>();
    auto work = [written, others = of_others_, lines = lines_, &world = process_.world(), node = process_.node(), epoch = epoch_,
                 sequence = sequence_ + 1, group = halves_.front()] {
        *written = world.store.write(node, epoch, sequence, group, world.clock.now(), *others, *lines);
        const bool yes = *written == MemoryStore::Written::Yes, fenced = *written == MemoryStore::Written::Fenced;
        if (world.is_tracing()) world.trace(node, (yes ? "commits " : fenced ? "is fenced: " : "is refused: ") + describe(group));
    };
    auto heard_of = [this, written](bool heard) {
        if (!heard) {
            connected_ = false;
            in_doubt_ = true;
            return process_.later(failures_++ > 0 ? pause : 0, [this] { write(); });
        }
        if (*written == MemoryStore::Written::Fenced) return meets_the_fence();
        if (*written == MemoryStore::Written::Refused) return is_refused();
        ++sequence_;
        leased_until_ = begin_ + process_.world().store.lease;
        conclude();
    };
    process_.world().transact(process_, "commit", std::move(work), std::move(heard_of), line_);
}

/// Tells what was written, and what was not because another node had fired it.
void MemoryJournal::conclude() {
    Group ours, others;
    Group group = std::exchange(halves_.front(), {});
    for (const auto& changes : group) {
        if (!changes.claims_line) continue;
        const auto told = lines_->find(changes.claims_line->run_id);
        if (told != lines_->end()) changes.claims_line->granted = told->second.first, changes.claims_line->holder = told->second.second;
    }
    for (std::size_t i = 0; i < group.size(); ++i) (of_others_->at(i) ? others : ours).push_back(std::move(group[i]));
    answer(std::move(ours), std::nullopt);
    for (const auto& changes : others)
        if (changes.run_id) refused_runs_.insert(changes.run_id);
    if (!others.empty()) answer(std::move(others), Refusal(fired_by_another_node, "another node fired this instant"));
    next();
}

void MemoryJournal::meets_the_fence() {
    if (std::exchange(in_doubt_, false)) { // the number may be raised by ourselves, by the try that came late: look again
        connected_ = false;
        return write();
    }
    die({});
}

void MemoryJournal::die(std::optional<Return> lost) {
    dead_ = true;
    process_.post([this, lost] { ended_(lost); });
}

/// In halves, until the one run is found whose rows the store will not take.
void MemoryJournal::is_refused() {
    Group group = std::exchange(halves_.front(), {});
    halves_.pop_front();
    std::stable_sort(group.begin(), group.end(), [](const auto& a, const auto& b) { return a.run_id < b.run_id; });
    const auto run = group.front().run_id;
    if (run == group.back().run_id) {
        process_.trace("the rows of run " + std::to_string(run) + " are refused");
        if (run) refused_runs_.insert(run);
        const bool poisonous = process_.world().store.poisoned.contains(run); // else its number is that of another run
        answer(std::move(group), Refusal(poisonous ? "22021" : "23505", "simulated"));
        return next();
    }
    const auto middle = group.begin() + static_cast<std::ptrdiff_t>(group.size() / 2);
    const auto same = [&](const RunChanges& c) { return c.run_id == middle->run_id; };
    auto cut = std::find_if(group.begin(), middle, same);
    if (cut == group.begin()) cut = std::find_if_not(middle, group.end(), same);
    halves_.emplace_front(cut, group.end());
    halves_.emplace_front(group.begin(), cut);
    next();
}

void MemoryJournal::answer(Group group, std::optional<Refusal> refusal) {
    for (auto& one : group) { // others have their turn between two
        process_.post([backlog = backlog_, changes = std::move(one), refusal] {
            *backlog -= changes.task_runs.size();
            if (!refusal && changes.committed) changes.committed();
            if (refusal && changes.refused) changes.refused(refusal->first, refusal->second);
        });
    }
}

} // namespace millrace::test
