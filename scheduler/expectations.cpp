#include "scheduler/expectations.hpp"

#include "flows/counted.hpp"
#include "flows/interval.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace millrace {
namespace {

std::chrono::microseconds span_of(double seconds) { return std::chrono::microseconds(static_cast<std::int64_t>(seconds * 1e6)); }

/// Whole seconds are enough for people.
std::string time_text(Instant t) { return to_rfc3339(std::chrono::floor<std::chrono::seconds>(t)); }

/// One look at one flow; lives for one call.
class Judge {
public:
    Judge(const Expectations& expected, const FlowFacts& facts, Instant now) : expected_(expected), facts_(facts), now_(now) {}

    Judgement judge() {
        if (expected_.start_within > 0) judge_starts();
        for (const auto& run : facts_.runs) {
            if (expected_.finish_within > 0) judge_finish(run);
            for (const auto& rows : expected_.rows) judge_rows(run, rows);
        }
        judge_age("fresh", expected_.fresh, facts_.last_load, "no load completed");
        judge_age("new_rows", expected_.new_rows, facts_.last_change, "no load changed a row");
        for (const auto& breach : facts_.open)
            if (auto why = why_over(breach); !why.empty()) out_.recoveries.push_back({breach.key, std::move(why), now_});
        return std::move(out_);
    }

private:
    void wake_at(Instant at) { out_.look_again = std::min(out_.look_again.value_or(at), at); }

    /// True: it is broken, and told now or before; else somebody looks again when it will be.
    bool is_late(Instant deadline, std::optional<Instant> happened) {
        if (happened) return *happened > deadline;
        if (now_ < deadline) wake_at(deadline);
        return now_ >= deadline;
    }

    void tell(std::string expectation, std::string subject, const char* kind, std::int64_t run_id, Instant since, std::string message) {
        BreachKey key{facts_.flow, std::move(expectation), std::move(subject)};
        if (!facts_.told.contains(key)) out_.breaches.push_back({std::move(key), kind, run_id, since, std::move(message), now_});
    }

    [[nodiscard]] bool is_judged(const WatchedRun& run) const {
        return run.state != State::Skipped && (run.was_expected || run.asked_at >= facts_.deployed_at);
    }

    void judge_starts() {
        const auto within = span_of(expected_.start_within);
        for (const auto& run : facts_.runs) {
            if (!run.schedule || !is_judged(run)) continue;
            const Instant deadline = run.asked_at + within;
            if (!is_late(deadline, run.began ? run.began : run.ended)) continue;
            const auto what = run.began   ? fmt::format("began at {}", time_text(*run.began))
                              : run.ended ? "ended before a task of it began"
                                          : "had not begun by " + time_text(deadline);
            tell("start_within", firing_subject(*run.schedule, run.nominal), event_kind::late, run.id, deadline,
                 fmt::format("run {} was due at {} and {}; expected: start_within {}", run.id, time_text(run.asked_at), what,
                             span_text(expected_.start_within)));
        }
        for (const auto& s : facts_.schedules) {
            if (s.due < facts_.deployed_at || !is_late(s.due + within, std::nullopt)) continue;
            tell("start_within", firing_subject(s.number, s.nominal), event_kind::late, 0, s.due + within,
                 fmt::format("the run of {} did not exist by {}; expected: start_within {}", time_text(s.nominal),
                             time_text(s.due + within), span_text(expected_.start_within)));
        }
    }

    void judge_finish(const WatchedRun& run) {
        if (!is_judged(run)) return;
        const Instant deadline = run.asked_at + span_of(expected_.finish_within);
        if (is_late(deadline, run.ended))
            tell("finish_within", run_subject(run.id), event_kind::late, run.id, deadline,
                 fmt::format("run {} {} {} and {}; expected: finish_within {}", run.id, run.schedule ? "was due at" : "was asked for at",
                             time_text(run.asked_at),
                             run.ended ? "ended at " + time_text(*run.ended) : "had not ended by " + time_text(deadline),
                             span_text(expected_.finish_within)));
    }

    void judge_rows(const WatchedRun& run, const Expectations::Rows& expected) {
        const auto rows = run.rows.find(expected.task);
        if (!run.ended || *run.ended < facts_.deployed_at || rows == run.rows.end() || is_in_range(rows->second, expected)) return;
        tell("rows." + expected.task, run_subject(run.id), event_kind::rows_out_of_range, run.id, *run.ended,
             fmt::format("{} has {} in run {}; expected: {}", expected.task, counted(rows->second, "row"), run.id, range_text(expected)));
    }

    static bool is_in_range(std::int64_t rows, const Expectations::Rows& expected) {
        return rows >= expected.min.value_or(rows) && rows <= expected.max.value_or(rows);
    }
    static std::string range_text(const Expectations::Rows& rows) {
        if (rows.min && rows.max) return fmt::format("{} to {}", count_text(*rows.min), count_text(*rows.max));
        return rows.min ? "at least " + count_text(*rows.min) : "at most " + count_text(*rows.max);
    }

    void judge_age(const char* expectation, double age, std::optional<Instant> last, const char* what) {
        if (age <= 0) return;
        const Instant from = last.value_or(facts_.deployed_at), deadline = from + span_of(age);
        if (!is_late(deadline, std::nullopt) || is_open(expectation)) return;
        tell(expectation, age_subject(from), event_kind::stale, 0, deadline,
             fmt::format("{} since {}{}; expected: {} {}", what, last ? "" : "the deploy of ", time_text(from), expectation,
                         span_text(age)));
    }
    /// One period of it, one breach: where the last load is too long ago to be looked for, its instant is not known any more.
    [[nodiscard]] bool is_open(std::string_view expectation) const {
        return std::any_of(facts_.open.begin(), facts_.open.end(), [&](const Breach& b) { return b.key.expectation == expectation; });
    }
    static std::string age_subject(Instant from) { return "since " + to_rfc3339(from); }

    [[nodiscard]] const WatchedRun* run_of(const Breach& breach) const {
        for (const auto& run : facts_.runs)
            if (breach.run_id != 0 ? run.id == breach.run_id
                                   : run.schedule && firing_subject(*run.schedule, run.nominal) == breach.key.subject)
                return &run;
        return nullptr;
    }

    /// Empty: it is still broken. Of a run that nobody knows any more nothing can be said.
    [[nodiscard]] std::string why_over(const Breach& breach) const {
        const auto& expectation = breach.key.expectation;
        const auto* run = run_of(breach);
        if (expectation == "start_within") {
            if (expected_.start_within <= 0) return "it is not expected any more";
            if (run && run->began) return fmt::format("run {} began at {}", run->id, time_text(*run->began));
            if (run && run->ended) return fmt::format("run {} ended", run->id);
            return breach.run_id != 0 && !run ? "its run is gone" : began_since(breach);
        }
        if (expectation == "finish_within") {
            if (run && run->ended) return fmt::format("run {} ended at {}", run->id, time_text(*run->ended));
            return expected_.finish_within <= 0 ? "it is not expected any more" : run ? "" : "its run is gone";
        }
        if (expectation == "fresh") return why_fresh(breach, expected_.fresh, facts_.last_load, "a load completed");
        if (expectation == "new_rows") return why_fresh(breach, expected_.new_rows, facts_.last_change, "a load changed rows");
        return why_rows(breach);
    }

    /// Of a time that made no run: a later run of the flow is there, and begun.
    [[nodiscard]] std::string began_since(const Breach& breach) const {
        for (const auto& run : facts_.runs)
            if (run.schedule && run.asked_at >= breach.since && run.began)
                return fmt::format("run {} began at {}", run.id, time_text(*run.began));
        return {};
    }

    [[nodiscard]] std::string why_fresh(const Breach& breach, double age, std::optional<Instant> last, const char* what) const {
        if (age <= 0) return "it is not expected any more";
        if (last && breach.key.subject != age_subject(*last) && now_ < *last + span_of(age))
            return fmt::format("{} at {}", what, time_text(*last));
        const bool is_longer = now_ < last.value_or(facts_.deployed_at) + span_of(age);
        return is_longer ? "it is expected less often now" : "";
    }

    /// A later run has as many rows as it should.
    [[nodiscard]] std::string why_rows(const Breach& breach) const {
        for (const auto& expected : expected_.rows) {
            if ("rows." + expected.task != breach.key.expectation) continue;
            for (const auto& run : facts_.runs)
                if (const auto rows = run.rows.find(expected.task);
                    run.id > breach.run_id && run.ended && rows != run.rows.end() && is_in_range(rows->second, expected))
                    return fmt::format("{} has {} in run {}", expected.task, counted(rows->second, "row"), run.id);
            return {};
        }
        return "it is not expected any more";
    }

    const Expectations& expected_;
    const FlowFacts& facts_;
    const Instant now_;
    Judgement out_;
};

} // namespace

Judgement judge(const Expectations& expected, const FlowFacts& facts, Instant now) { return Judge(expected, facts, now).judge(); }

std::vector<std::string> texts_of(const std::vector<Recovery>& recoveries) {
    std::map<std::pair<std::string, std::string>, std::int64_t> count; // by expectation and reason
    for (const auto& r : recoveries) ++count[{r.key.expectation, r.message}];
    std::vector<std::string> out;
    for (const auto& [why, n] : count) out.push_back(n == 1 ? why.second : fmt::format("{} (over for {})", why.second, counted(n, "run")));
    return out;
}

std::string firing_subject(int schedule, Instant nominal) { return fmt::format("schedule {} {}", schedule, to_rfc3339(nominal)); }
std::string run_subject(std::int64_t run_id) { return fmt::format("run {}", run_id); }

Breach missed_firings(const std::string& flow, int schedule, Instant first, std::size_t count, bool counted_all, Instant now) {
    return {{flow, "start_within", firing_subject(schedule, first)},
            event_kind::late,
            0,
            first,
            count == 1
                ? fmt::format("the run of {} does not exist: no daemon was there, and `missed` says that it is left out", time_text(first))
                : fmt::format("{}{} runs from {} on do not exist: no daemon was there, and `missed` says that they are left out",
                              counted_all ? "" : "more than ", count, time_text(first)),
            now};
}

} // namespace millrace
