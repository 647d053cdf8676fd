// What a backfill is before it begins: its chunks, and which of them earlier runs completed.
#include "scheduler/engine_service.hpp"

#include "scheduler/backfill.hpp"
#include "scheduler/new_run.hpp"
#include "scheduler/orders.hpp"
#include "scheduler/params.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace millrace {
namespace asio = boost::asio;
using Kind = Refusal::Kind;

namespace {

constexpr int most_at_once = 100;

Span length_of_chunks(const FlowPlan& flow, const std::string& every) {
    if (every.empty()) return flow.interval->chunk.is_zero() ? flow.interval->every : flow.interval->chunk;
    try {
        const Span span = parse_span(every);
        if (span.is_zero()) throw Refusal(Kind::Invalid, "every: chunks of no length never reach the end", "--every 7d, for example");
        return span;
    } catch (const std::invalid_argument& e) {
        throw Refusal(Kind::Invalid, std::string("every: ") + e.what());
    }
}

} // namespace

/// Throws Refusal{Invalid}.
std::vector<Interval> EngineService::backfill_chunks(const FlowPlan& flow, const Interval& whole, const TriggerRequest& request) {
    const auto& asked = *request.backfill;
    if (asked.at_once < 1 || asked.at_once > most_at_once)
        throw Refusal(Kind::Invalid, fmt::format("{} chunks cannot run at once", asked.at_once), fmt::format("take 1 to {}", most_at_once));
    const Span every = length_of_chunks(flow, asked.every);
    if (add(whole.start, every, 1, flow.timezone) <= whole.start)
        throw Refusal(Kind::Invalid, fmt::format("chunks of {} have no length", to_text(every)), "take longer ones with --every");
    auto parts = cut(whole, every, flow.timezone, "take longer ones with --every, or a part of the time");
    if (request.cut_steps || request.limit_rows || !replaces_rows(flow)) return parts;
    for (const auto& part : parts)
        if (const auto steps = whole_steps_of(flow, part); !steps.empty())
            throw Refusal(Kind::Invalid,
                          fmt::format("the chunk from {} to {} cuts a step of the flow's `every` ({}): a sum over a part of a step would "
                                      "replace that of the whole",
                                      to_rfc3339(part.start), to_rfc3339(part.end), to_text(flow.interval->every)),
                          "its whole steps are " + steps + "; with --cut-steps (`cut_steps` of the API) it runs as it is");
    return parts;
}

asio::awaitable<std::map<int, std::int64_t>> EngineService::completed_chunks(const DeployedFlow& flow, const std::vector<Interval>& parts,
                                                                             const Json& params) {
    const auto runs = co_await store_.completed_within(flow.name, parts.front().start, parts.back().end);
    std::map<std::string, std::shared_ptr<const FlowPlan>> plans;
    for (const auto& run : runs) {
        auto& plan = plans[run.plan_hash];
        if (plan) continue;
        plan = catalogue_.plan(run.plan_hash);
        if (!plan) plan = co_await store_.plan(run.plan_hash);
    }
    co_return completed_before(parts, params, *flow.plan, runs, plans);
}

asio::awaitable<Json> EngineService::plan_backfill(TriggerRequest request) {
    const DeployedFlow flow = co_await deployed(request.flow);
    const auto interval = run_interval(*flow.plan, request.interval_start, request.interval_end, clock_.now());
    const auto parts = backfill_chunks(*flow.plan, interval.value(), request);
    const RunRow row = new_run_row(flow, 0, "", Json::object(), interval, clock_.now());
    const Json params = with_defaults(*flow.plan, checked_params(*flow.plan, request.params), Scope(run_context(row, *flow.plan)));
    std::map<int, std::int64_t> done;
    if (!request.backfill->again) done = co_await completed_chunks(flow, parts, params);
    Json list = Json::array();
    for (int number = 1; const auto& part : parts) {
        const auto by = done.find(number);
        list.push_back({{"number", number},
                        {"start", to_rfc3339(part.start)},
                        {"end", to_rfc3339(part.end)},
                        {"completed_by", by == done.end() ? Json() : Json(by->second)}});
        ++number;
    }
    Json plan = {{"flow", flow.name}, {"timezone", flow.plan->timezone}, {"chunks", std::move(list)}, {"left", parts.size() - done.size()}};
    co_return plan;
}

/// Each would do the chunks that they share: who is asked twice has done it twice. Looked for before anything is made of it, and again
/// where the commit refused it (`beside_another`), since only there two that are asked for at once meet.
asio::awaitable<void> EngineService::refuse_beside_another(const RunRow& row) {
    if (!is_alone_in_its_time(row)) co_return;
    const auto live = co_await store_.live_backfills(row.flow);
    const auto is_the_same = [&](const RunRow& other) { // the commit says so
        return !row.idempotency_key.empty() && other.idempotency_key == row.idempotency_key;
    };
    for (const auto& other : live)
        if (!is_the_same(other) && other.params == row.params && other.interval_start < row.interval_end &&
            row.interval_start < other.interval_end)
            throw Refusal(Kind::Conflict,
                          fmt::format("run {} is a backfill of {} from {} to {}, and has not ended", other.id, row.flow,
                                      to_rfc3339(*other.interval_start), to_rfc3339(*other.interval_end)),
                          fmt::format("wait for it, or `millrace runs cancel {}`; what it completed is left out then", other.id));
}

asio::awaitable<void> EngineService::refuse_beside_one_admitted(RunRow row) {
    co_await refuse_beside_another(row);
    throw Refusal(Kind::Conflict, "another backfill of " + row.flow + " ran over a part of this time, and has just ended", "try again");
}

/// As the row's options keep it.
asio::awaitable<void> EngineService::cut_for_backfill(RunRow& row, const DeployedFlow& flow, const TriggerRequest& request) {
    const auto parts = backfill_chunks(*flow.plan, {row.interval_start.value(), row.interval_end.value()}, request);
    Backfill backfill{length_of_chunks(*flow.plan, request.backfill->every), request.backfill->at_once};
    write_backfill(row, backfill);
    co_await refuse_beside_another(row);
    std::map<int, std::int64_t> done;
    if (!request.backfill->again) done = co_await completed_chunks(flow, parts, row.params);
    for (const auto& [number, run] : done) backfill.done.push_back(number);
    write_backfill(row, backfill);
}

/// What the run before it left out was completed with the parameters and tasks of that run: it is asked about again. A chunk that the run
/// before was to do counts only where another run completed it since, and from the start nothing is left out.
asio::awaitable<void> EngineService::cut_again(RunRow& row, const DeployedFlow& flow, const RepeatedChunks& before) {
    auto backfill = backfill_of(row);
    if (!backfill) co_return;
    co_await refuse_beside_another(row);
    const auto left_out = std::exchange(backfill->done, {});
    if (row.options.contains("reuse_before")) {
        const auto parts = parts_of(*flow.plan, row);
        const auto completed = co_await completed_chunks(flow, parts, row.params);
        for (const auto& [number, run] : completed) {
            const auto& part = parts[static_cast<std::size_t>(number - 1)];
            const auto tried = before.find({part.start, part.end});
            const auto last = tried == before.end() ? row.rerun_of.value() : tried->second.run_id;
            if (run > last || std::find(left_out.begin(), left_out.end(), number) != left_out.end()) backfill->done.push_back(number);
        }
    }
    write_backfill(row, *backfill);
}

} // namespace millrace
