#include "scheduler/new_run.hpp"

#include "flows/hash.hpp"
#include "flows/zone.hpp"
#include "scheduler/backfill.hpp"
#include "scheduler/orders.hpp"
#include "scheduler/params.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

namespace millrace {

/// Steps and zones lead a little further than what is written, and that has to be a date still.
static void check_years(const std::string& written, Instant t) {
    using namespace std::chrono;
    if (t < sys_days(year(1000) / 1 / 1) || t > sys_days(year(9000) / 1 / 1))
        throw Refusal(Refusal::Kind::Invalid, "an interval lies between the years 1000 and 9000, and " + written + " does not");
}

std::optional<Interval> run_interval(const FlowPlan& flow, const std::optional<std::string>& start, const std::optional<std::string>& end,
                                     Instant at) {
    if (!flow.interval) {
        if (start || end)
            throw Refusal(Refusal::Kind::Invalid, "flow " + flow.name + " has no `interval`, so it takes no --from and --to",
                          "add `interval: {every: 1d}` to it");
        return std::nullopt;
    }
    if (start.has_value() != end.has_value()) throw Refusal(Refusal::Kind::Invalid, "an interval has both a start and an end");
    try {
        if (start) {
            const Interval given{parse_date_or_instant(*start, flow.timezone), parse_date_or_instant(*end, flow.timezone)};
            check_years(*start, given.start);
            check_years(*end, given.end);
            if (given.start >= given.end)
                throw Refusal(Refusal::Kind::Invalid, "the interval's start " + *start + " is not before its end " + *end);
            return given;
        }
        Interval interval = interval_at(*flow.interval, at, flow.timezone);
        const auto& from = flow.interval->from;
        if (!from.empty() && from != "cursor" && from != "schedule") interval.start = parse_date_or_instant(from, flow.timezone);
        check_years(from, interval.start);
        if (interval.start >= interval.end)
            throw Refusal(Refusal::Kind::Invalid, "the interval begins on " + from + ", and no whole `every` has passed since");
        return interval;
    } catch (const std::invalid_argument& e) {
        throw Refusal(Refusal::Kind::Invalid, e.what());
    }
}

std::vector<Interval> cut(const Interval& whole, const Span& chunk, const std::string& zone, const std::string& remedy) {
    constexpr std::size_t most_chunks = 10'000;
    auto parts = chunks(whole, chunk, zone, most_chunks);
    if (parts.size() > most_chunks)
        throw Refusal(Refusal::Kind::Invalid,
                      fmt::format("chunks of {} are more than {} from {} to {}", to_text(chunk), most_chunks, to_rfc3339(whole.start),
                                  to_rfc3339(whole.end)),
                      remedy);
    return parts;
}

void check_chunks(const FlowPlan& flow, const RunRow& row) {
    if (row.interval_start && !backfill_of(row) && flow.interval && !flow.interval->chunk.is_zero())
        (void)cut(
            {*row.interval_start, *row.interval_end}, flow.interval->chunk, flow.timezone,
            "give `chunk` of the flow's `interval` a longer span, or take a part of the time with --from and --to; `millrace backfill "
            "--every` has chunks of its own");
}

std::string whole_steps_of(const FlowPlan& flow, const Interval& given) {
    const Interval whole = whole_steps(given, flow.interval->every, flow.timezone);
    if (whole == given) return {};
    const auto shown = [&](Instant t) {
        const auto local = to_text(to_local(t, find_zone(flow.timezone)));
        return parse_date_or_instant(local.substr(0, 10), flow.timezone) == t ? local.substr(0, 10) : to_rfc3339(t);
    };
    return "--from " + shown(whole.start) + " --to " + shown(whole.end);
}

std::vector<Interval> parts_of(const FlowPlan& flow, const RunRow& row) {
    if (row.chunk_of || row.options.contains("chunk_number") || !row.interval_start) return {}; // a chunk, or the rerun of one
    const Interval whole{*row.interval_start, *row.interval_end};
    if (const auto backfill = backfill_of(row)) return chunks(whole, backfill->every, flow.timezone);
    if (!flow.interval || flow.interval->chunk.is_zero()) return {};
    auto parts = chunks(whole, flow.interval->chunk, flow.timezone);
    if (parts.size() < 2) parts.clear();
    return parts;
}

namespace {

bool has_load(const FlowPlan& flow, const std::function<bool(const LoadOptions&)>& that) {
    return std::any_of(flow.tasks.begin(), flow.tasks.end(), [&](const TaskPlan& task) {
        return task.verb == Verb::Load && task.options.is_object() && that(task.options.get<LoadOptions>());
    });
}

} // namespace

bool replaces_rows(const FlowPlan& flow) {
    return has_load(flow, [](const LoadOptions& load) { return replaces_rows(load); });
}

bool appends(const FlowPlan& flow) {
    return has_load(flow, [](const LoadOptions& load) {
        return std::any_of(load.tables.begin(), load.tables.end(), [](const LoadTable& table) { return table.mode == "append"; });
    });
}

Json params_at(const RunRow& row, const FlowPlan& flow, const Json& written, Instant at) {
    RunContext context = run_context(row, flow);
    context.run_at = to_rfc3339(at);
    const Scope scope(context);
    return with_defaults(flow, checked_params(flow, substitute(written, scope)), scope);
}

RunRow new_run_row(const DeployedFlow& flow, std::int64_t id, std::string staging_id, Json params, std::optional<Interval> interval,
                   Instant now) {
    RunRow row;
    row.id = id;
    row.flow = flow.name;
    row.plan_hash = flow.plan_hash;
    row.staging_id = std::move(staging_id);
    row.run_key = sha256_hex("run\n" + row.staging_id);
    row.params = std::move(params);
    if (interval) row.interval_start = interval->start, row.interval_end = interval->end;
    row.created_at = now;
    return row;
}

} // namespace millrace
