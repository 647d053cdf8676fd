/// What a flow's `expect` says of its runs and loads at an instant, decided from facts alone: what is not as expected, what is
/// again, and when to look next. Pure; expectation_watch.hpp reads the facts and writes what follows.
///
/// A breach is told once: its key (flow, expectation, subject) is unique in the store, whichever node looks and however often.
///
///     expectation     subject                                kind
///     start_within    "schedule 0 2026-11-30T06:00:00Z"      late
///     finish_within   "run 12"                               late
///     fresh, new_rows "since 2026-11-29T06:01:12Z"           stale
///     rows.TASK       "run 12"                               rows_out_of_range
#pragma once

#include "flows/plan.hpp"
#include "flows/state.hpp"
#include "flows/time.hpp"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace millrace {

/// The kinds of events that tell of a flow without an attempt's doing; channels of `notify` hear of them.
namespace event_kind {
inline constexpr const char* late = "late";                           ///< a run did not begin, or end, in time
inline constexpr const char* stale = "stale";                         ///< no load, or none that changed anything, for too long
inline constexpr const char* rows_out_of_range = "rows_out_of_range"; ///< a dataset has too few or too many rows
inline constexpr const char* recovered = "recovered";                 ///< what was not as expected is again
inline constexpr const char* schedule_paused = "schedule_paused";     ///< `pause_after` runs in a row failed
} // namespace event_kind

struct BreachKey {
    std::string flow, expectation, subject;
    auto operator<=>(const BreachKey&) const = default;
};

/// Something that is not as expected, as its row in the store.
struct Breach {
    BreachKey key;
    std::string kind;
    std::int64_t run_id = 0; ///< 0: of no run
    Instant since{};         ///< when it was broken
    std::string message;     ///< is kept with its run: true also after that began or ended
    Instant told_at{};
};

/// What is as expected again, and why.
struct Recovery {
    BreachKey key;
    std::string message;
    Instant at{};
};

/// A run of the flow as far as it matters here. Chunks, backfills and trials are none.
struct WatchedRun {
    std::int64_t id = 0;
    Instant asked_at{};          ///< when its time was, with the jitter, or when somebody asked for it
    std::optional<int> schedule; ///< that started it, at `nominal`
    Instant nominal{};
    std::optional<Instant> began, ended; ///< its first task, and itself
    State state = State::Pending;
    std::string plan_hash;
    bool was_expected = false;                ///< its own plan expects of its times what holds now
    std::map<std::string, std::int64_t> rows; ///< of the datasets that it made, by task; known when it ended
};

/// What comes next of a schedule that is not held.
struct WatchedSchedule {
    int number = 0;
    Instant nominal{}, due{}; ///< `due`: with the jitter
};

struct FlowFacts {
    std::string flow;
    Instant deployed_at{}; ///< what was before is not judged by what was not expected then
    std::vector<WatchedRun> runs;
    std::vector<WatchedSchedule> schedules;
    std::optional<Instant> last_load, last_change; ///< completed; of `last_change` one that changed rows
    std::vector<Breach> open;
    std::set<BreachKey> told; ///< also those that are over
};

struct Judgement {
    std::vector<Breach> breaches;
    std::vector<Recovery> recoveries;
    std::optional<Instant> look_again; ///< when something breaks if nothing happens until then
};

[[nodiscard]] Judgement judge(const Expectations& expected, const FlowFacts& facts, Instant now);

/// One text for all that are over for the same reason: "a has 6 rows in run 94 (over for 40 runs)".
[[nodiscard]] std::vector<std::string> texts_of(const std::vector<Recovery>& recoveries);

[[nodiscard]] std::string firing_subject(int schedule, Instant nominal);
[[nodiscard]] std::string run_subject(std::int64_t run_id);

/// Of times of a schedule that make no run because they passed unnoticed and `missed` says so.
[[nodiscard]] Breach missed_firings(const std::string& flow, int schedule, Instant first, std::size_t count, bool counted_all, Instant now);

} // namespace millrace
