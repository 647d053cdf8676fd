#include "scheduler/engine_service.hpp"

#include "flows/hash.hpp"
#include "scheduler/documents.hpp"
#include "scheduler/new_run.hpp"
#include "scheduler/not_found.hpp"
#include "scheduler/orders.hpp"
#include "scheduler/params.hpp"
#include "scheduler/rerun.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace millrace {
namespace asio = boost::asio;
using Kind = Refusal::Kind;

EngineService::EngineService(Clock& clock, Store& store, Catalogue& catalogue, Runner& runner, RunIds& ids, Schedules& schedules, FlowFolders& folders,
                             Connections& connections, EventHub& events)
    : clock_(clock), store_(store), catalogue_(catalogue), runner_(runner), ids_(ids), schedules_(schedules), folders_(folders), connections_(connections),
      events_(events) {}

// ---- waiting for a commit -------------------------------------------------------------------------------------------

asio::awaitable<bool> EngineService::done(std::function<bool(std::function<void()>)> act) {
    auto initiate = [executor = runner_.executor(), act = std::move(act)](auto handler) {
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        if (!act([shared] { std::move (*shared)(true); })) asio::post(executor, [shared] { std::move (*shared)(false); });
    };
    return asio::async_initiate<const asio::use_awaitable_t<>, void(bool)>(std::move(initiate), asio::use_awaitable);
}

asio::awaitable<EngineService::Admitted> EngineService::admit(RunRow row, RunStart start) {
    auto initiate = [this, row = std::move(row), start = std::move(start)](auto handler) mutable {
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        auto result = std::make_shared<Admitted>();
        auto yes = [shared, result] { std::move (*shared)(*result); };
        auto no = [shared, result](const std::string& sqlstate, const std::string& message) {
            result->refused = true;
            result->sqlstate = sqlstate;
            result->message = message;
            std::move (*shared)(*result);
        };
        result->admission = runner_.admit(std::move(row), std::move(start), std::move(yes), std::move(no));
    };
    return asio::async_initiate<const asio::use_awaitable_t<>, void(Admitted)>(std::move(initiate), asio::use_awaitable);
}

asio::awaitable<std::int64_t> EngineService::new_id() {
    for (int tries = 0; tries < 200; ++tries) {
        if (const auto id = ids_.take()) co_return id;
        co_await sleep_until(clock_, clock_.now() + std::chrono::milliseconds(10));
    }
    throw Refusal(Kind::Unavailable, "the store cannot be reached, so the run has no number", "try again when `millrace doctor` is content");
}

asio::awaitable<Json> EngineService::document(std::int64_t run_id) {
    if (const auto* run = runner_.find(run_id)) co_return runner_.live_document(*run);
    const auto row = co_await store_.run(run_id);
    if (!row) throw no_run(run_id);
    co_return run_document(*row, row->summary);
}

// ---- trigger --------------------------------------------------------------------------------------------------------

const DeployedFlow& EngineService::deployed(const std::string& name) const {
    const auto* flow = catalogue_.find(name);
    if (!flow) throw no_flow(name, catalogue_);
    if (flow->archived) throw Refusal(Kind::NotFound, "flow " + name + " is archived: its file is gone", "bring the file back and `millrace deploy`");
    return *flow;
}

asio::awaitable<TriggerResult> EngineService::existing(RunRow row, std::string request_hash) {
    if (row.request_hash != request_hash)
        throw Refusal(Kind::Conflict, "idempotency key " + row.idempotency_key + " belongs to run " + std::to_string(row.id) + ", which was asked for with other values",
                      "use another key");
    TriggerResult result;
    result.outcome = TriggerResult::Outcome::Existing;
    result.run = co_await document(row.id);
    co_return result;
}

asio::awaitable<TriggerResult> EngineService::trigger(TriggerRequest request) {
    const DeployedFlow flow = deployed(request.flow);
    Json params = checked_params(*flow.plan, request.params);
    const auto interval = run_interval(*flow.plan, request.interval_start, request.interval_end, clock_.now());
    Json options = Json::object();
    if (request.limit_rows) options["limit_rows"] = *request.limit_rows;
    if (request.full_refresh) options["full_refresh"] = true;
    std::string request_hash;
    if (!request.idempotency_key.empty()) {
        const Json asked = {{"params", params}, {"options", options}, {"start", request.interval_start}, {"end", request.interval_end}};
        request_hash = sha256_hex(asked.dump());
        auto known = co_await store_.run_by_idempotency_key(request.flow, request.idempotency_key);
        if (known) co_return co_await existing(std::move(*known), request_hash);
    }
    const auto id = co_await new_id();
    RunRow row = new_run_row(flow, id, runner_.new_uuid(), Json::object(), interval, clock_.now());
    row.params = with_defaults(*flow.plan, std::move(params), Scope(run_context(row, *flow.plan)));
    check_connections(*flow.plan, row.params, connections_.names());
    row.trigger = request.trigger;
    row.options = std::move(options);
    row.idempotency_key = request.idempotency_key;
    row.request_hash = request_hash;
    if (!request.idempotency_key.empty()) row.run_key = sha256_hex("key\n" + request.flow + "\n" + request.idempotency_key);
    RunStart start;
    start.plan = flow.plan;
    const auto admitted = co_await admit(std::move(row), std::move(start));
    if (admitted.refused) {
        if (admitted.sqlstate != "23505") throw Refusal(Kind::Invalid, "the store does not take this run: " + admitted.message);
        auto known = co_await store_.run_by_idempotency_key(request.flow, request.idempotency_key);
        if (!known) throw Refusal(Kind::Conflict, "the run was made twice at once", "try again");
        co_return co_await existing(std::move(*known), request_hash);
    }
    TriggerResult result;
    if (admitted.admission == Runner::Admission::Skipped) result.outcome = TriggerResult::Outcome::Skipped;
    result.run = co_await document(id);
    co_return result;
}

// ---- what a person wants of a run -----------------------------------------------------------------------------------

/// Says why a run does not do what was asked: it does not exist, or its state does not allow it.
asio::awaitable<void> EngineService::refuse(std::int64_t run_id, std::string what) {
    const Json run = co_await document(run_id);
    throw Refusal(Kind::Conflict, "run " + std::to_string(run_id) + " is " + run.value("state", "") + ": it cannot be " + what);
}

asio::awaitable<Json> EngineService::cancel(std::int64_t run_id, std::string by) {
    std::function<bool(std::function<void()>)> act = [this, run_id, by](std::function<void()> then) {
        return runner_.cancel(run_id, "cancelled by " + by, std::move(then));
    };
    if (!co_await done(std::move(act))) co_await refuse(run_id, "cancelled");
    co_return co_await document(run_id);
}

asio::awaitable<Json> EngineService::pause(std::int64_t run_id, std::string by) {
    std::function<bool(std::function<void()>)> act = [this, run_id, by](std::function<void()> then) { return runner_.pause(run_id, by, std::move(then)); };
    if (!co_await done(std::move(act))) co_await refuse(run_id, "paused");
    co_return co_await document(run_id);
}

asio::awaitable<Json> EngineService::resume(std::int64_t run_id, std::string by) {
    std::function<bool(std::function<void()>)> act = [this, run_id, by](std::function<void()> then) { return runner_.resume(run_id, by, std::move(then)); };
    if (!co_await done(std::move(act))) co_await refuse(run_id, "resumed");
    co_return co_await document(run_id);
}

asio::awaitable<Json> EngineService::decide(std::int64_t run_id, std::string task, bool approved, std::string comment, std::string by) {
    const auto* run = runner_.find(run_id);
    if (!run) {
        const Json past = co_await document(run_id);
        throw Refusal(Kind::Conflict, "run " + std::to_string(run_id) + " is " + past.value("state", "") + ": nothing in it waits for a decision");
    }
    int place = -1;
    for (std::size_t i = 0; i < run->start.plan->tasks.size(); ++i)
        if (run->start.plan->tasks[i].name == task) place = static_cast<int>(i);
    if (place < 0) throw Refusal(Kind::NotFound, "flow " + run->row.flow + " has no task " + task);
    const auto allowed = run->start.plan->tasks[static_cast<std::size_t>(place)].options.value("by", std::vector<std::string>{});
    if (!allowed.empty() && std::find(allowed.begin(), allowed.end(), by) == allowed.end())
        throw Refusal(Kind::Conflict, by + " may not decide on " + task, "`by` of the task lists who may");
    const std::string message = (approved ? "approved by " : "rejected by ") + by + (comment.empty() ? "" : ": " + comment);
    std::function<bool(std::function<void()>)> act = [this, run_id, place, approved, message](std::function<void()> then) {
        return runner_.decide(run_id, place, approved, message, std::move(then));
    };
    if (!co_await done(std::move(act))) throw Refusal(Kind::Conflict, "task " + task + " of run " + std::to_string(run_id) + " does not wait for a decision");
    co_return co_await document(run_id);
}

asio::awaitable<Json> EngineService::approve(std::int64_t run_id, std::string task, std::string comment, std::string by) {
    return decide(run_id, std::move(task), true, std::move(comment), std::move(by));
}

asio::awaitable<Json> EngineService::reject(std::int64_t run_id, std::string task, std::string comment, std::string by) {
    return decide(run_id, std::move(task), false, std::move(comment), std::move(by));
}

asio::awaitable<Json> EngineService::rerun(RerunRequest request) {
    const auto old = co_await store_.run(request.run_id);
    if (!old) throw no_run(request.run_id);
    if (!is_final(old->state))
        throw Refusal(Kind::Conflict, "run " + std::to_string(old->id) + " is " + std::string(to_string(old->state)) + ": only a run that ended can run again",
                      "cancel it first");
    if (request.from == RerunRequest::From::Failed && old->state == State::Completed)
        throw Refusal(Kind::Conflict, "run " + std::to_string(old->id) + " is completed: nothing in it failed", "leave --failed out to run all of it again, or name a task: --task NAME");
    const DeployedFlow flow = deployed(old->flow);
    const auto old_plan = co_await store_.plan(old->plan_hash);
    const auto chunks = co_await store_.chunks(old->id);
    const auto task_runs = co_await store_.task_runs(old->id);
    const auto id = co_await new_id();

    RunRow row = new_run_row(flow, id, runner_.new_uuid(), old->params, std::nullopt, clock_.now());
    row.interval_start = old->interval_start;
    row.interval_end = old->interval_end;
    row.trigger = request.trigger;
    row.scheduled_for = old->scheduled_for;
    row.rerun_of = old->id;
    row.options = old->options;
    row.options.erase("chunks_done");
    RunStart start;
    start.plan = flow.plan;
    if (!chunks.empty() && request.from != RerunRequest::From::Start) {
        if (request.from == RerunRequest::From::Task)
            throw Refusal(Kind::Invalid, "run " + std::to_string(old->id) + " ran in chunks and has no tasks of its own", "rerun one of its chunks, or use --failed");
        row.options["chunks_done"] = chunks_done(*old, chunks);
    } else if (request.from != RerunRequest::From::Start) {
        start.reused = reusable(*old_plan, *flow.plan, task_runs, request.task);
    }
    const auto admitted = co_await admit(std::move(row), std::move(start));
    if (admitted.refused) throw Refusal(Kind::Unavailable, "the store does not take this run: " + admitted.message);
    co_return co_await document(id);
}

// ---- flows ----------------------------------------------------------------------------------------------------------

asio::awaitable<Json> EngineService::set_schedules_paused(std::string name, bool paused) {
    const DeployedFlow flow = deployed(name);
    std::vector<StoredSchedule> moved;
    if (!paused && flow.paused) // what passed meanwhile was meant to pass
        for (auto schedule : schedules_.all())
            if (schedule.flow == name) {
                Schedules::set_next(schedule, clock_.now());
                moved.push_back(std::move(schedule));
            }
    co_await store_.set_next(std::move(moved));
    co_await store_.pause_flow(name, paused);
    catalogue_.set_paused(name, paused);
    co_await schedules_.load();
    const Json document = {{"name", name}, {"paused", paused}, {"hash", flow.plan_hash}};
    events_.publish(EngineEvent("flow", 0, document));
    co_return document;
}

namespace {

/// What deploying one folder changes. A folder with a mistake changes nothing.
struct FolderChange {
    std::vector<FlowChange> changes;
    Json lines = Json::array(); ///< for the answer
};

Json line(const std::string& flow, const char* change, const std::string& hash, Json diagnostics) {
    return {{"flow", flow}, {"change", change}, {"hash", hash}, {"diagnostics", std::move(diagnostics)}};
}

FolderChange folder_change(const CompiledFolder& folder, const Catalogue& catalogue, Instant now) {
    FolderChange out;
    bool broken = false;
    std::set<std::string> present;
    for (const auto& file : folder.files) {
        if (!file.plan) {
            broken = true;
            out.lines.push_back(line(file.flow, "error", "", file.diagnostics));
            continue;
        }
        const auto& plan = *file.plan;
        const auto* known = catalogue.find(plan.name);
        if (!present.insert(plan.name).second || (known && !known->archived && known->folder != folder.folder)) {
            broken = true;
            Json diagnostics = file.diagnostics;
            diagnostics.push_back({{"severity", "error"}, {"message", "another file declares flow " + plan.name + " too"}, {"hint", "rename one of them"}});
            out.lines.push_back(line(plan.name, "error", "", std::move(diagnostics)));
            continue;
        }
        const std::string hash = plan_hash(plan);
        const bool same = known && !known->archived && known->plan_hash == hash;
        out.lines.push_back(line(plan.name, same ? "unchanged" : known ? "changed" : "new", hash, file.diagnostics));
        if (same) continue;
        FlowChange change;
        change.flow = plan.name;
        change.folder = folder.folder;
        change.plan_hash = hash;
        const Json json(plan);
        change.plan_json = json.dump();
        change.keep_schedules = known && !known->archived && Json(*known->plan).at("schedules") == json.at("schedules");
        for (std::size_t i = 0; i < plan.schedules.size(); ++i) {
            StoredSchedule s;
            s.flow = plan.name;
            s.number = static_cast<int>(i);
            s.spec = plan.schedules[i];
            Schedules::set_next(s, now);
            change.schedules.push_back(std::move(s));
        }
        out.changes.push_back(std::move(change));
    }
    for (const auto& [name, flow] : catalogue.all())
        if (flow.folder == folder.folder && !flow.archived && !present.contains(name) && !broken) {
            FlowChange change;
            change.flow = name;
            change.folder = folder.folder;
            out.changes.push_back(std::move(change));
            out.lines.push_back(line(name, "archived", flow.plan_hash, Json::array()));
        }
    if (broken) out.changes.clear();
    return out;
}

} // namespace

asio::awaitable<Json> EngineService::deploy(DeployRequest request) {
    const auto folders = co_await folders_.compile(request.folders);
    std::vector<FlowChange> changes;
    Json lines = Json::array();
    for (const auto& folder : folders) {
        auto change = folder_change(folder, catalogue_, clock_.now());
        for (auto& l : change.lines) lines.push_back(std::move(l));
        for (auto& c : change.changes) changes.push_back(std::move(c));
    }
    if (!request.dry_run && !changes.empty()) {
        co_await store_.deploy(std::move(changes), clock_.now());
        auto flows = co_await store_.flows();
        catalogue_.replace(std::move(flows));
        co_await schedules_.load();
        for (const auto& l : lines)
            if (l.at("change") != "unchanged") events_.publish(EngineEvent("flow", 0, l));
    }
    Json answer = {{"changes", lines}};
    co_return answer;
}

std::unique_ptr<Subscription> EngineService::subscribe(std::function<void(const EngineEvent&)> receive) { return events_.subscribe(std::move(receive)); }

} // namespace millrace
