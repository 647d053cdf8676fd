/// The journal over the store in memory: scheduler/pg_journal.cpp step by step, where its thread and its connection are
/// events of the world. Group commit, the fence row, commits in doubt, and the search for the run that is refused.
#pragma once

#include "memory_store.hpp"

#include <deque>

namespace millrace::test {

class Process;

class MemoryJournal final : public Journal {
public:
    /// `ended` is called once, on the loop: with what tells that history is lost, or with nothing.
    using Ended = std::function<void(const std::optional<Return>& lost)>;
    /// `known`: where the store stood when the epoch was taken.
    MemoryJournal(Process& process, Epoch epoch, StorePosition known, Ended ended);
    void submit(RunChanges changes) override;
    [[nodiscard]] std::size_t backlog() const override { return *backlog_; }
    [[nodiscard]] Instant leased_until() const { return leased_until_; }
    [[nodiscard]] bool is_idle() const { return !busy_ && gathering_.empty(); }
    [[nodiscard]] std::int64_t acknowledged() const { return sequence_; }
    /// World::line() of its connection.
    [[nodiscard]] int line() const { return line_; }

private:
    using Group = std::vector<RunChanges>;
    using Refusal = std::pair<std::string, std::string>;

    void next();
    void turn_away(Group& group);
    void write();
    void reconnect();
    void transact();
    void meets_the_fence();
    void die(std::optional<Return> lost);
    void conclude();
    void is_refused();
    void answer(Group group, std::optional<Refusal> refusal);

    Process& process_;
    const Epoch epoch_;
    const Ended ended_;
    StorePosition known_;
    std::shared_ptr<std::vector<bool>> of_others_; ///< of the current half: which changes another node had fired
    std::shared_ptr<MemoryStore::LineAnswers> lines_;
    int line_ = 0; ///< World::line() of the connection
    Group gathering_;
    std::deque<Group> halves_; ///< of the group that was taken: the halves that are not written yet, the current one first
    std::shared_ptr<std::size_t> backlog_ = std::make_shared<std::size_t>(0);
    std::set<std::int64_t> refused_runs_;
    std::int64_t sequence_ = 0;
    Instant begin_{}, leased_until_;
    int failures_ = 0;
    bool busy_ = false, connected_ = false, in_doubt_ = false, dead_ = false;
};

} // namespace millrace::test
