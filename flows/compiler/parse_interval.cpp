#include "flows/compiler/parse_interval.hpp"

#include "flows/grammar/flow_tables.hpp"
#include "flows/grammar/form.hpp"
#include "flows/interval.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace millrace {
namespace {

bool is_multiple(const Span& span, const Span& step) {
    if (span.is_zero()) return true;
    if (step.months != 0) return span.days == 0 && span.seconds == 0 && span.months % step.months == 0;
    if (step.days != 0) return span.seconds == 0 && span.days % step.days == 0 && (span.months == 0 || step.days == 1);
    constexpr int day = 86400; // as long as most are; hours do not reach into the calendar
    return (span.seconds + std::int64_t{span.days} * day) % step.seconds == 0 && (span.months == 0 || day % step.seconds == 0);
}

/// What to write for a span that cuts steps of `every`, which `grain` is.
std::string whole_steps_hint(const Span& span, const Span& every, const std::string& grain) {
    const auto next = [](std::int64_t n, std::int64_t step) { return (n + step - 1) / step * step; };
    constexpr std::int64_t day = 86400;
    if (every.days != 0 && span.months == 0)
        return fmt::format("write {}d", next(next(span.days * day + span.seconds, day) / day, every.days));
    if (every.months != 0 && span.days == 0 && span.seconds == 0) return fmt::format("write {}mo", next(span.months, every.months));
    return fmt::format("write it in steps of {}", grain);
}

/// Parses one; lives for one call.
class IntervalParser {
public:
    IntervalParser(const YamlNode& node, Diagnostics& diagnostics)
        : form_(node, {&interval_table}, "the interval", diagnostics),
          diagnostics_(diagnostics), interval_{form_.span("every"), form_.span("lookback"), form_.span("chunk"), form_.text("from")} {}

    IntervalSpec parse(const Draft& draft) {
        if (interval_.from == "schedule") interval_.from.clear();
        if (form_.get("every") != nullptr && interval_.every.is_zero())
            diagnostics_.error(form_.get("every")->mark, "an interval of no length holds nothing");
        for (const auto& [key, span] : {std::pair{"lookback", interval_.lookback}, {"chunk", interval_.chunk}})
            if (interval_.every.seconds == 0 && span.seconds > 0 && form_.get(key)->text.ends_with("m"))
                diagnostics_.warning(form_.get(key)->mark, fmt::format("'{}' is minutes, of an interval of days", form_.get(key)->text),
                                     fmt::format("a month is written {}o", form_.get(key)->text));
        check_lookback();
        check_chunk(draft);
        return interval_;
    }

private:
    /// The run's interval is `lookback` + `every`: where that is no number of whole steps, the first is cut, and a sum over what is
    /// left of it would replace that of the whole.
    void check_lookback() {
        const auto* lookback = form_.get("lookback");
        if (lookback == nullptr || interval_.every.is_zero() || is_multiple(interval_.lookback, interval_.every)) return;
        const auto grain = form_.get("every")->text;
        diagnostics_.warning(lookback->mark,
                             fmt::format("{} are no whole steps of {}, so each run begins within one, and a sum over that part replaces "
                                         "the sum of the whole",
                                         lookback->text, grain),
                             whole_steps_hint(interval_.lookback, interval_.every, grain));
    }

    /// A chunk that cuts a step does so in the middle of every run, and its later part has the last word.
    void check_chunk(const Draft& draft) {
        const auto* chunk = form_.get("chunk");
        if (chunk == nullptr) return;
        if (interval_.chunk.is_zero()) return diagnostics_.error(chunk->mark, "chunks of no length never reach the end of the interval");
        if (interval_.every.is_zero()) return;
        const bool replaces = std::any_of(draft.tasks.begin(), draft.tasks.end(), [](const DraftTask& task) {
            const auto* load = std::get_if<LoadOptions>(&task.options);
            return load != nullptr && replaces_rows(*load);
        });
        const auto grain = form_.get("every")->text;
        if (replaces && !is_multiple(interval_.chunk, interval_.every))
            return diagnostics_.error(chunk->mark,
                                      fmt::format("chunks of {} cut steps of {}, and a sum over the later part of one replaces the sum of "
                                                  "the whole",
                                                  chunk->text, grain),
                                      whole_steps_hint(interval_.chunk, interval_.every, grain) +
                                          "; or, where no row is about a whole step, give `every` the length of a chunk and `lookback` "
                                          "the rest");
        const Instant base = anchor_of(Span{0, 1, 0}, "UTC");
        const auto length = [&](const Span& span) { return add(base, span, 1, "UTC") - base; };
        if (interval_.from.empty() && length(interval_.chunk) > length(interval_.every) + length(interval_.lookback))
            diagnostics_.warning(chunk->mark, "the chunk is longer than the whole interval, so a scheduled run is never cut",
                                 "the interval is `lookback` + `every`");
    }

    Form form_;
    Diagnostics& diagnostics_;
    IntervalSpec interval_;
};

} // namespace

IntervalSpec parse_interval(const YamlNode& node, const Draft& draft, Diagnostics& diagnostics) {
    return IntervalParser(node, diagnostics).parse(draft);
}

} // namespace millrace
