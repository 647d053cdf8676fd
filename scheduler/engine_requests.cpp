// What people ask of a live run. Whichever node is asked passes it on to the one that drives the run, through the store, and waits for
// the answer: the run may change hands in between.
#include "scheduler/engine_service.hpp"

#include "scheduler/documents.hpp"
#include "scheduler/not_found.hpp"

#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>

namespace millrace {
namespace asio = boost::asio;
using Kind = Refusal::Kind;
namespace {

constexpr auto patience = std::chrono::seconds(10); ///< with another node
constexpr auto between_looks = std::chrono::milliseconds(200);

std::string past_of(const std::string& what) {
    return what == "cancel" ? "cancelled" : what == "pause" ? "paused" : what == "resume" ? "resumed" : "decided on";
}

/// Of a run in chunks those in which the task waits for a decision: they have its tasks.
std::vector<std::int64_t> chunks_that_wait(const Runner& runner, const RunRequest& request) {
    std::vector<std::int64_t> waiting;
    const auto* whole = runner.find(request.run_id);
    if (!whole) return waiting;
    const auto& tasks = whole->start.plan->tasks;
    const auto is_it = [&](const TaskPlan& t) { return t.name == request.task && t.verb == Verb::Approve; };
    const auto task = std::find_if(tasks.begin(), tasks.end(), is_it);
    if (task == tasks.end()) return waiting;
    const TaskKey key{static_cast<int>(task - tasks.begin()), -1};
    for (const auto id : whole->children)
        if (const auto* chunk = runner.find(id); chunk && chunk->machine && chunk->machine->at(key).state == State::Paused)
            waiting.push_back(id);
    return waiting;
}

/// Of a run that has not begun: the remedy.
std::string instead_of_pausing(const Json& run) {
    if (!run.at("parent_id").is_null())
        return "`millrace runs pause " + run.at("parent_id").dump() + "` pauses the run that it is a chunk of";
    return fmt::format("`millrace runs cancel {}` cancels it, `millrace schedules pause {}` keeps the flow's schedules from starting more",
                       run.at("id").dump(), run.value("flow", ""));
}

} // namespace

/// Says why a run does not do what was asked: its state does not allow it.
void EngineService::refuse(const Json& run, const RunRequest& request) const {
    const auto number = std::to_string(request.run_id), state = run.value("state", "");
    if (const auto chunks = chunks_that_wait(runner_, request); !chunks.empty())
        throw Refusal(Kind::Conflict,
                      fmt::format("run {} is in chunks, which are runs of their own: task {} waits for a decision in run {}", number,
                                  request.task, fmt::join(chunks, ", ")),
                      fmt::format("millrace runs {} {} {}", request.what, chunks.front(), request.task));
    if (!request.task.empty())
        throw Refusal(Kind::Conflict, is_final(state_from(state))
                                          ? "run " + number + " is " + state + ": nothing in it waits for a decision"
                                          : "task " + request.task + " of run " + number + " does not wait for a decision");
    throw Refusal(Kind::Conflict, "run " + number + " is " + state + ": it cannot be " + past_of(request.what),
                  request.what == "pause" && state == to_string(State::Pending) ? instead_of_pausing(run) : "");
}

void EngineService::check_decision(const RunRequest& request, const LiveRun& run) const {
    const auto& tasks = run.start.plan->tasks;
    const auto task = std::find_if(tasks.begin(), tasks.end(), [&](const TaskPlan& t) { return t.name == request.task; });
    if (task == tasks.end()) throw Refusal(Kind::NotFound, "flow " + run.row.flow + " has no task " + request.task);
    const auto allowed = task->options.value("by", std::vector<std::string>{});
    if (!allowed.empty() && std::find(allowed.begin(), allowed.end(), request.by) == allowed.end())
        throw Refusal(Kind::Conflict, request.by + " may not decide on " + request.task,
                      fmt::format("`by` of the task lists who may: {}", fmt::join(allowed, ", ")));
}

/// A chunk of a run that is paused goes on with it: alone it would do what nobody wanted done, and its whole would still be told as paused.
void EngineService::refuse_part_of_paused(const LiveRun& run) const {
    const auto* whole = run.row.parent_id ? runner_.find(*run.row.parent_id) : nullptr;
    if (!whole || whole->row.state != State::Paused) return;
    throw Refusal(Kind::Conflict, fmt::format("run {} is a chunk of run {}, which is paused", run.row.id, whole->row.id),
                  fmt::format("`millrace runs resume {}` lets all of it go on", whole->row.id));
}

/// On the node that drives the run.
asio::awaitable<void> EngineService::act(RunRequest request) {
    const auto* run = runner_.find(request.run_id);
    const bool on_its_way = request.what == "cancel" && run && !run->closing && run->row.state == State::Cancelling;
    if (on_its_way) co_return; // who asks twice gets what they asked for
    if (run && !request.task.empty()) check_decision(request, *run);
    if (run && request.what == "resume") refuse_part_of_paused(*run);
    std::function<bool(std::function<void()>)> act = [this, request](std::function<void()> then) {
        if (request.what == "cancel") return runner_.cancel(request.run_id, "cancelled by " + request.by, std::move(then));
        if (request.what == "pause") return runner_.pause(request.run_id, request.by, std::move(then));
        if (request.what == "resume") return runner_.resume(request.run_id, request.by, std::move(then));
        const auto* live = runner_.find(request.run_id);
        if (!live) return false;
        const auto& tasks = live->start.plan->tasks;
        const auto task = std::find_if(tasks.begin(), tasks.end(), [&](const TaskPlan& t) { return t.name == request.task; });
        const bool approved = request.what == "approve";
        const auto message =
            (approved ? "approved by " : "rejected by ") + request.by + (request.comment.empty() ? "" : ": " + request.comment);
        return runner_.decide(request.run_id, static_cast<int>(task - tasks.begin()), approved, message, std::move(then));
    };
    const bool did = co_await done(std::move(act));
    if (did) co_return;
    const Json now = co_await document(request.run_id);
    refuse(now, request);
}

asio::awaitable<void> EngineService::pass_on(RunRequest request) {
    const auto id = co_await store_.put_request(request, clock_.now());
    const auto until = clock_.now() + patience;
    std::optional<Store::Answer> answer;
    while (!answer && clock_.now() < until) {
        co_await sleep_until(clock_, clock_.now() + between_looks);
        answer = co_await store_.answer_to(id);
    }
    if (!answer) {
        const Json run = co_await document(request.run_id);
        if (is_final(state_from(run.value("state", "")))) refuse(run, request); // it ended before anybody looked
        throw Refusal(Kind::Unavailable, fmt::format("the node that drives run {} does not answer: what was asked stands", request.run_id),
                      "`millrace nodes` shows which nodes live; when another one has taken the run over, that one does it");
    }
    if (!answer->refusal.empty()) throw Refusal(Kind::Conflict, answer->refusal, answer->remedy);
}

asio::awaitable<Json> EngineService::ask(RunRequest request) {
    if (runner_.find(request.run_id)) {
        co_await act(request);
    } else {
        const Json run = co_await document(request.run_id);
        if (is_final(state_from(run.value("state", "")))) refuse(run, request);
        co_await pass_on(request);
    }
    co_return co_await document(request.run_id);
}

asio::awaitable<void> EngineService::answer_requests(std::string epoch) {
    const auto requests = co_await store_.requests_to(std::move(epoch));
    for (const auto& [id, request] : requests) {
        if (!runner_.find(request.run_id)) continue; // taken over, and not yet here
        Store::Answer answer;
        try {
            co_await act(request);
        } catch (const Refusal& e) {
            if (e.kind == Kind::Unavailable) throw;
            answer = {e.what(), e.remedy};
        }
        co_await store_.answer_request(id, answer);
    }
}

asio::awaitable<Json> EngineService::cancel(std::int64_t run_id, std::string by) { return ask({run_id, "cancel", "", "", std::move(by)}); }
asio::awaitable<Json> EngineService::pause(std::int64_t run_id, std::string by) { return ask({run_id, "pause", "", "", std::move(by)}); }
asio::awaitable<Json> EngineService::resume(std::int64_t run_id, std::string by) { return ask({run_id, "resume", "", "", std::move(by)}); }
asio::awaitable<Json> EngineService::approve(std::int64_t run_id, std::string task, std::string comment, std::string by) {
    return ask({run_id, "approve", std::move(task), std::move(comment), std::move(by)});
}
asio::awaitable<Json> EngineService::reject(std::int64_t run_id, std::string task, std::string comment, std::string by) {
    return ask({run_id, "reject", std::move(task), std::move(comment), std::move(by)});
}

} // namespace millrace
