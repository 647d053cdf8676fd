/// A run that this node drives, as the runner remembers it.
#pragma once

#include "scheduler/attempt_runner.hpp"
#include "scheduler/caused_runs.hpp"
#include "scheduler/clock.hpp"
#include "scheduler/journal.hpp"

#include <deque>
#include <map>
#include <memory>
#include <set>

namespace millrace {

struct LiveRun {
    RunRow row;
    RunStart start;
    std::unique_ptr<RunPlan> machine; ///< nothing while queued, and for a run in chunks
    bool begun = false;
    RunChanges pending;            ///< gathers until the next record()
    std::vector<OrderId> to_start; ///< recorded in `pending`
    std::set<OrderId> attempts;    ///< under way
    Clock::TimerId timer = 0;
    std::optional<Instant> timer_at;
    std::deque<std::pair<int, EvaluateReply>> items; ///< by task: what mapped tasks are made of, not told to `machine` yet
    bool closing = false;                            ///< its end is submitted
    bool stored = false;                             ///< its row is committed
    bool parked = false;                             ///< its rows were refused: only its end is written
    bool held = false;                               ///< resumed, its slots not yet claimed again: nothing of it begins
    bool asks = false;                               ///< whether it is its turn; the answer is on its way
    bool may_have_turn = false;                      ///< it has asked, here or before a restart
    std::function<void()> when_decided;              ///< whether it begins, waits or is skipped: who asked for it hears of it then
    Json loads = Json::array();
    int warnings = 0; ///< of its events, and of chunks that ended
    std::string late; ///< why it is shown as late, although nothing of it begins; empty: it is not

    struct Asked {
        OrderId question;
        Clock::TimerId timer; ///< when it is worth a word that the answer is not there yet
    };
    std::map<int, Asked> asked; ///< by task, whose `when` or items are asked for

    std::map<TaskKey, std::int64_t> calls;            ///< the runs that its `flow` tasks wait for
    std::vector<CausedRun> caused;                    ///< their rows are in `pending`
    std::optional<std::vector<CausedRun>> by_its_end; ///< once it is known that it ends: the runs that this starts

    // Of a run in chunks.
    std::vector<std::pair<Instant, Instant>> parts;
    std::size_t next_part = 0;
    std::set<std::int64_t> children;              ///< under way
    std::size_t at_once = 1;                      ///< of them, at most
    std::set<std::size_t> left_out, begun_before; ///< places of parts: an earlier run completed them; this run began them elsewhere
    bool goes_on = false;                         ///< where a chunk did not complete
    bool stopping = false, paused = false;
    std::size_t completed = 0, failed = 0; ///< chunks that ended
    struct Failure {
        State state;
        std::string state_name, message;
    };
    std::optional<Failure> failure; ///< the first
    Json chunk_counts = Json::object();
};

} // namespace millrace
