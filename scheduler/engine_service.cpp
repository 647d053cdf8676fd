#include "scheduler/engine_service.hpp"

#include "flows/hash.hpp"
#include "flows/nearest.hpp"
#include "scheduler/backfill.hpp"
#include "scheduler/documents.hpp"
#include "scheduler/new_run.hpp"
#include "scheduler/not_found.hpp"
#include "scheduler/orders.hpp"
#include "scheduler/params.hpp"
#include "scheduler/rerun.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/ranges.h>

namespace millrace {
namespace asio = boost::asio;
using Kind = Refusal::Kind;

namespace {

constexpr auto patience = std::chrono::seconds(10); ///< of someone who asks, for a commit
constexpr const char* when_well = "try again when `millrace doctor` is content";

/// Of an earlier run, as the plan has them: a parameter that it has no more is left out, one that is new has its default. `others`
/// take the place of what it had.
Json params_of_old(const RunRow& old, const RunRow& row, const FlowPlan& flow, const Json& others) {
    Json known = others;
    for (const auto& param : flow.params)
        if (!known.contains(param.name) && old.params.contains(param.name)) known[param.name] = old.params.at(param.name);
    return with_defaults(flow, checked_params(flow, known), Scope(run_context(row, flow)));
}

/// Who sends the key again after the store forgot the run makes one that loads nothing twice.
/// A key may serve again when its run is gone: the rerun of another one loads other rows.
std::string run_key_of(const RunRow& row) {
    return sha256_hex("key\n" + row.flow + "\n" + row.idempotency_key + (row.rerun_of ? "\n" + std::to_string(*row.rerun_of) : ""));
}

bool has_task(const FlowPlan& flow, const std::string& name) {
    return std::any_of(flow.tasks.begin(), flow.tasks.end(), [&](const TaskPlan& task) { return task.name == name; });
}

/// `then`: the plan of the run that is repeated, which may have had it; null: it is gone.
[[noreturn]] void refuse_task(const FlowPlan& flow, const std::string& name, const RunRow& old, const FlowPlan* then) {
    std::vector<std::string> names;
    for (const auto& task : flow.tasks) names.push_back(task.name);
    const auto near = nearest(name, names);
    auto remedy = near.empty() ? "" : "did you mean '" + near + "'? ";
    remedy += fmt::format("its tasks are {}", fmt::join(names, ", "));
    if (then && has_task(*then, name))
        remedy += fmt::format("; run {} had {}: --plan pinned (`plan` of the API) runs the flow as it was then", old.id, name);
    throw Refusal(Kind::NotFound, "flow " + flow.name + " has no task " + name, remedy);
}

/// Empty: the parts are those that ran before, or nothing did. What chunks appended under other bounds would be there twice: refused.
std::string told_of_other_chunks(const FlowPlan& flow, const RunRow& old, const std::vector<Interval>& parts,
                                 const RepeatedChunks& before) {
    const auto is_other = [&](const auto& chunk) {
        return std::find(parts.begin(), parts.end(), Interval{chunk.first.first, chunk.first.second}) == parts.end();
    };
    if (std::none_of(before.begin(), before.end(), is_other)) return {};
    if (appends(flow))
        throw Refusal(Kind::Invalid,
                      fmt::format("run {} ran in other chunks than the flow has now: what they appended would be there twice", old.id),
                      "put `chunk` back, or run what is missing with --from and --to");
    return fmt::format("run {} ran in other chunks than the flow has now: those begin anew, with their extracts", old.id);
}

} // namespace

EngineService::EngineService(Clock& clock, Store& store, Catalogue& catalogue, Runner& runner, RunIds& ids, Schedules& schedules,
                             FlowFolders& folders, Connections& connections, EventHub& events, std::string node,
                             std::function<asio::awaitable<void>()> look_for_flows)
    : clock_(clock), store_(store), catalogue_(catalogue), runner_(runner), ids_(ids), schedules_(schedules), folders_(folders),
      connections_(connections), events_(events), node_(std::move(node)), look_for_flows_(std::move(look_for_flows)) {}

// ---- waiting for a commit -------------------------------------------------------------------------------------------

template <class Answer>
asio::awaitable<Answer> EngineService::answered(std::function<void(std::function<void(Answer)>)> ask, std::string too_late) {
    auto initiate = [this, ask = std::move(ask), too_late = std::move(too_late)](auto handler) {
        struct Waiting {
            decltype(handler) resume;
            Clock::TimerId timer = 0;
            bool over = false;
        };
        auto waiting = std::make_shared<Waiting>(Waiting{std::move(handler)});
        const auto end = [this, waiting](std::exception_ptr failure, Answer answer) {
            if (std::exchange(waiting->over, true)) return;
            clock_.cancel(waiting->timer);
            std::move(waiting->resume)(failure, std::move(answer));
        };
        waiting->timer = clock_.call_after(patience, [end, too_late] {
            end(std::make_exception_ptr(Refusal(Kind::Unavailable, "the store does not answer: " + too_late, when_well)), Answer());
        });
        ask([end](Answer answer) { end(nullptr, std::move(answer)); });
    };
    return asio::async_initiate<const asio::use_awaitable_t<>, void(std::exception_ptr, Answer)>(std::move(initiate), asio::use_awaitable);
}

asio::awaitable<bool> EngineService::done(std::function<bool(std::function<void()>)> act) {
    auto ask = [executor = runner_.executor(), act = std::move(act)](std::function<void(bool)> answer) {
        if (!act([answer] { answer(true); })) asio::post(executor, [answer] { answer(false); });
    };
    return answered<bool>(std::move(ask), "what was asked is under way, and recorded as soon as it is back");
}

asio::awaitable<EngineService::Admitted> EngineService::admit(RunRow row, RunStart start) {
    const std::string too_late =
        "run " + std::to_string(row.id) +
        " begins as soon as it is back; asked for again, it is another run, unless both carry the same idempotency key";
    auto ask = [this, row = std::move(row), start = std::move(start)](std::function<void(Admitted)> answer) mutable {
        auto result = std::make_shared<Admitted>();
        auto yes = [answer, result] { answer(*result); };
        auto no = [answer, result](const std::string& sqlstate, const std::string& message) {
            result->refused = true;
            result->sqlstate = sqlstate;
            result->message = message;
            answer(*result);
        };
        runner_.admit(std::move(row), std::move(start), std::move(yes), std::move(no));
    };
    return answered<Admitted>(std::move(ask), too_late);
}

/// A run that cannot be recorded is better refused soon than taken in the hope that someone still waits for it. Not at once: it may be
/// this process that stood still, which the next commit tells.
asio::awaitable<void> EngineService::refuse_while_the_store_is_away() const {
    asio::steady_timer between_looks(co_await asio::this_coro::executor);
    for (int looks = 0; !runner_.admitting(); ++looks) {
        if (looks == 150) throw Refusal(Kind::Unavailable, "the store does not answer, so no run begins", when_well);
        between_looks.expires_after(std::chrono::milliseconds(10));
        co_await between_looks.async_wait(asio::use_awaitable);
    }
}

asio::awaitable<std::int64_t> EngineService::new_id() {
    asio::steady_timer between_tries(co_await asio::this_coro::executor); // passes where a test's clock stands
    for (int tries = 0; tries < 200; ++tries) {
        if (const auto id = ids_.take()) co_return id;
        between_tries.expires_after(std::chrono::milliseconds(10));
        co_await between_tries.async_wait(asio::use_awaitable);
    }
    throw Refusal(Kind::Unavailable, "the store cannot be reached, so the run has no number", when_well);
}

asio::awaitable<Json> EngineService::document(std::int64_t run_id) {
    if (const auto* run = runner_.find(run_id)) co_return runner_.live_document(*run);
    const auto row = co_await store_.run(run_id);
    if (!row) throw no_run(run_id);
    co_return run_document(*row, row->summary);
}

// ---- trigger --------------------------------------------------------------------------------------------------------

asio::awaitable<DeployedFlow> EngineService::deployed(std::string name) const {
    const auto* flow = catalogue_.find(name);
    if (!flow || flow->archived) {
        co_await refuse_while_the_store_is_away();
        co_await look_for_flows_();
        flow = catalogue_.find(name);
    }
    if (!flow) throw no_flow(name, catalogue_);
    if (flow->archived)
        throw Refusal(Kind::NotFound, "flow " + name + " is archived: its file is gone", "bring the file back and `millrace deploy`");
    co_return *flow;
}

asio::awaitable<TriggerResult> EngineService::existing(RunRow row, std::string request_hash) {
    if (row.request_hash != request_hash)
        throw Refusal(Kind::Conflict,
                      "idempotency key " + row.idempotency_key + " belongs to run " + std::to_string(row.id) +
                          ", which was asked for with other values",
                      "use another key");
    TriggerResult result;
    result.outcome = TriggerResult::Outcome::Existing;
    result.run = co_await document(row.id);
    co_return result;
}

asio::awaitable<TriggerResult> EngineService::trigger(TriggerRequest request) {
    const DeployedFlow flow = co_await deployed(request.flow);
    Json params = checked_params(*flow.plan, request.params);
    const auto interval = run_interval(*flow.plan, request.interval_start, request.interval_end, clock_.now());
    Json options = Json::object();
    if (request.limit_rows) options["limit_rows"] = *request.limit_rows;
    if (request.full_refresh) options["full_refresh"] = true;
    std::string request_hash;
    if (!request.idempotency_key.empty()) {
        Json asked = {{"params", params}, {"options", options}, {"start", request.interval_start}, {"end", request.interval_end}};
        if (const auto& b = request.backfill) asked["backfill"] = {b->every, b->at_once, b->again};
        request_hash = sha256_hex(asked.dump());
        auto known = co_await store_.run_by_idempotency_key(request.flow, request.idempotency_key);
        if (known) co_return co_await existing(std::move(*known), request_hash);
    }
    const bool is_cut_by_hand = request.interval_start && !request.backfill;
    const auto whole = is_cut_by_hand ? whole_steps_of(*flow.plan, *interval) : "";
    if (!whole.empty() && !request.cut_steps && !request.limit_rows && replaces_rows(*flow.plan))
        throw Refusal(Kind::Invalid,
                      "the interval cuts a step of the flow's `every`: a sum over a part of a step would replace that of the whole",
                      "whole steps are " + whole + "; with --cut-steps (`cut_steps` of the API) it runs as it is");
    co_await refuse_while_the_store_is_away();
    RunRow row = new_run_row(flow, 0, runner_.new_uuid(), Json::object(), interval, clock_.now());
    check_connections(*flow.plan, with_defaults(*flow.plan, params, Scope(run_context(row, *flow.plan))), connections_.names());
    row.params = with_defaults(*flow.plan, params, Scope(run_context(row, *flow.plan)));
    row.trigger = request.trigger;
    row.options = std::move(options);
    if (!request.backfill) check_chunks(*flow.plan, row);
    row.idempotency_key = request.idempotency_key;
    row.request_hash = request_hash;
    if (request.backfill) co_await cut_for_backfill(row, flow, request);
    const auto id = co_await new_id(); // what is refused uses up no number
    row.id = id;
    row.params = with_defaults(*flow.plan, std::move(params), Scope(run_context(row, *flow.plan)));
    if (!request.idempotency_key.empty()) row.run_key = run_key_of(row);
    RunStart start;
    start.plan = flow.plan;
    if (!whole.empty()) start.warning = "the interval cuts a step of the flow's `every`: whole steps are " + whole;
    if (interval && interval->start >= clock_.now())
        start.warning += (start.warning.empty() ? "" : "; ") + ("the interval begins in the future: " + to_rfc3339(interval->start));
    const auto admitted = co_await admit(row, std::move(start));
    if (admitted.refused) {
        if (admitted.sqlstate == beside_another) co_await refuse_beside_one_admitted(std::move(row));
        if (admitted.sqlstate != "23505") throw Refusal(Kind::Invalid, "the store does not take this run: " + admitted.message);
        auto known = co_await store_.run_by_idempotency_key(request.flow, request.idempotency_key);
        if (!known)
            throw Refusal(Kind::Conflict,
                          request.idempotency_key.empty() ? "the store has a run of this number already; none was started"
                                                          : "the run was made twice at once",
                          "try again");
        co_return co_await existing(std::move(*known), request_hash);
    }
    TriggerResult result;
    result.run = co_await document(id);
    if (result.run.at("state") == to_string(State::Skipped)) result.outcome = TriggerResult::Outcome::Skipped;
    co_return result;
}

// ---- runs that are repeated ----------------------------------------------------------------------------------------

/// "rerun of run 24 from what failed, asked for by uid 1000"
static std::string rerun_text(const RerunRequest& request) {
    using enum RerunRequest::From;
    const auto part = request.from == Failed ? " from what failed" : request.from == Task ? " from task " + request.task : "";
    std::string others;
    for (const auto& [name, value] : request.params.items()) others += (others.empty() ? " with other values of " : ", ") + name;
    return "rerun of run " + std::to_string(request.run_id) + part + (request.pinned ? " on the plan that it had" : "") + others +
           (request.by.empty() ? "" : ", asked for by " + request.by);
}

asio::awaitable<Json> EngineService::existing_again(RunRow row, std::string request_hash) {
    auto result = co_await existing(std::move(row), std::move(request_hash));
    result.run["outcome"] = "existing";
    co_return std::move(result.run);
}

asio::awaitable<std::shared_ptr<const FlowPlan>> EngineService::plan_of(std::string hash) {
    auto plan = catalogue_.plan(hash);
    if (!plan) plan = co_await store_.plan(hash);
    if (!plan) throw Refusal(Kind::NotFound, "plan " + hash + " is gone", "rerun it on the newest plan");
    co_return plan;
}

/// What is asked for, so that a key is not taken for something else.
static std::string rerun_hash(const RerunRequest& request) {
    const Json asked = {{"rerun_of", request.run_id}, {"from", static_cast<int>(request.from)},
                        {"task", request.task},       {"allow_deletes", request.allow_deletes},
                        {"params", request.params},   {"pinned", request.pinned}};
    return sha256_hex(asked.dump());
}

asio::awaitable<Json> EngineService::rerun(RerunRequest request) {
    const auto old = co_await store_.run(request.run_id);
    if (!old) throw no_run(request.run_id);
    std::string request_hash;
    if (!request.idempotency_key.empty()) {
        request_hash = rerun_hash(request);
        auto known = co_await store_.run_by_idempotency_key(old->flow, request.idempotency_key);
        if (known) co_return co_await existing_again(std::move(*known), request_hash);
    }
    if (!is_final(old->state))
        throw Refusal(Kind::Conflict,
                      "run " + std::to_string(old->id) + " is " + std::string(to_string(old->state)) +
                          ": only a run that ended can run again",
                      "cancel it first");
    if (request.from == RerunRequest::From::Failed && old->state == State::Completed && !has_failures(old->summary))
        throw Refusal(Kind::Conflict, "run " + std::to_string(old->id) + " is completed: nothing in it failed",
                      "leave --failed out to run all of it again, or name a task: --task NAME");
    DeployedFlow flow = co_await deployed(old->flow);
    if (request.pinned) {
        flow.plan = co_await plan_of(old->plan_hash);
        flow.plan_hash = old->plan_hash;
    }
    co_await refuse_while_the_store_is_away();
    RunRow row = new_run_row(flow, 0, runner_.new_uuid(), Json::object(), std::nullopt, clock_.now());
    row.interval_start = old->interval_start;
    row.interval_end = old->interval_end;
    row.trigger = request.trigger;
    row.scheduled_for = old->scheduled_for;
    row.rerun_of = old->id;
    row.idempotency_key = request.idempotency_key;
    row.request_hash = request_hash;
    if (!row.idempotency_key.empty()) row.run_key = run_key_of(row);
    row.options = old->options;
    check_chunks(*flow.plan, row);
    for (const char* of_that_run : {"reuse_before", "allow_deletes", "cause", "schedule", "catch_up"}) row.options.erase(of_that_run);
    if (old->chunk_of) row.options["chunk_number"] = old->chunk_number;
    if (request.allow_deletes > 0) row.options["allow_deletes"] = {{"rows", request.allow_deletes}, {"by", request.by}};
    row.params = params_of_old(*old, row, *flow.plan, request.params);
    check_connections(*flow.plan, row.params, connections_.names());
    RunStart start;
    start.plan = flow.plan;
    start.rerun = rerun_text(request);
    if (request.from != RerunRequest::From::Start) {
        const auto parts = parts_of(*flow.plan, row);
        if (request.from == RerunRequest::From::Task && !parts.empty())
            throw Refusal(Kind::Invalid, "run " + std::to_string(old->id) + " is cut into chunks and has no tasks of its own",
                          "rerun one of its chunks, or use --failed");
        if (!request.task.empty() && !has_task(*flow.plan, request.task)) {
            const auto then = co_await store_.plan(old->plan_hash);
            refuse_task(*flow.plan, request.task, *old, then.get());
        }
        row.options["reuse_before"] = request.task;
        start.repeated = co_await repeated_by(store_, row, *flow.plan);
        start.warning = told_of_other_chunks(*flow.plan, *old, parts, start.repeated);
        if (parts.empty()) start.reused = co_await reused_by(store_, row, *flow.plan);
    }
    co_await cut_again(row, flow, start.repeated);
    const auto id = co_await new_id(); // what is refused uses up no number
    row.id = id;
    const auto admitted = co_await admit(row, std::move(start));
    if (admitted.refused && admitted.sqlstate == beside_another) co_await refuse_beside_one_admitted(std::move(row));
    if (admitted.refused) {
        if (admitted.sqlstate != "23505") throw Refusal(Kind::Invalid, "the store does not take this run: " + admitted.message);
        auto known = co_await store_.run_by_idempotency_key(old->flow, request.idempotency_key);
        if (!known) throw Refusal(Kind::Unavailable, "the store does not take this run: " + admitted.message);
        co_return co_await existing_again(std::move(*known), request_hash);
    }
    Json run = co_await document(id);
    run["outcome"] = run.at("state") == to_string(State::Skipped) ? "skipped" : "created";
    co_return run;
}

std::unique_ptr<Subscription> EngineService::subscribe(std::function<void(const EngineEvent&)> receive) {
    return events_.subscribe(std::move(receive));
}

} // namespace millrace
