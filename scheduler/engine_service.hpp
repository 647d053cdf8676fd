/// Service over the runner, the store and the catalogue: checks what is asked, hands it on, waits for the commit.
#pragma once

#include "flows/interval.hpp"
#include "scheduler/catalogue.hpp"
#include "scheduler/one_at_a_time.hpp"
#include "scheduler/ports.hpp"
#include "scheduler/runner.hpp"
#include "scheduler/schedules.hpp"
#include "scheduler/service.hpp"

namespace millrace {

class EngineService final : public Service {
public:
    EngineService(Clock& clock, Store& store, Catalogue& catalogue, Runner& runner, RunIds& ids, Schedules& schedules, FlowFolders& folders,
                  Connections& connections, EventHub& events, std::string node,
                  std::function<boost::asio::awaitable<void>()> look_for_flows);

    [[nodiscard]] boost::asio::awaitable<TriggerResult> trigger(TriggerRequest request) override;
    [[nodiscard]] boost::asio::awaitable<Json> plan_backfill(TriggerRequest request) override;
    [[nodiscard]] boost::asio::awaitable<Json> cancel(std::int64_t run_id, std::string by) override;
    [[nodiscard]] boost::asio::awaitable<Json> pause(std::int64_t run_id, std::string by) override;
    [[nodiscard]] boost::asio::awaitable<Json> resume(std::int64_t run_id, std::string by) override;
    [[nodiscard]] boost::asio::awaitable<Json> approve(std::int64_t run_id, std::string task, std::string comment, std::string by) override;
    [[nodiscard]] boost::asio::awaitable<Json> reject(std::int64_t run_id, std::string task, std::string comment, std::string by) override;
    [[nodiscard]] boost::asio::awaitable<Json> rerun(RerunRequest request) override;
    [[nodiscard]] boost::asio::awaitable<Json> set_schedules_paused(std::string flow, bool paused) override;
    [[nodiscard]] boost::asio::awaitable<Json> deploy(DeployRequest request) override;
    [[nodiscard]] std::unique_ptr<Subscription> subscribe(std::function<void(const EngineEvent&)> receive) override;

    /// [{key, slots, written}]: limits in force that are not as millrace.yaml says, since other nodes lived when this one started. Until
    /// the next deploy here.
    [[nodiscard]] const Json& limits_of_others() const { return limits_of_others_; }

    /// Does what other nodes were asked to do with the runs that this one drives.
    [[nodiscard]] boost::asio::awaitable<void> answer_requests(std::string epoch);

private:
    [[nodiscard]] boost::asio::awaitable<std::shared_ptr<const FlowPlan>> plan_of(std::string hash);
    struct Admitted {
        bool refused = false;
        std::string sqlstate, message;
    };
    /// Of a flow that this node does not know, or knows as archived, the store is asked first: another node may have deployed it just now.
    /// Throws Refusal{NotFound}.
    [[nodiscard]] boost::asio::awaitable<DeployedFlow> deployed(std::string flow) const;
    [[nodiscard]] boost::asio::awaitable<void> refuse_while_the_store_is_away() const;
    [[nodiscard]] boost::asio::awaitable<std::int64_t> new_id();
    [[nodiscard]] boost::asio::awaitable<Admitted> admit(RunRow row, RunStart start);
    /// Waits for what `ask(answer)` starts to answer, yet not for ever: the store may be away. What was asked stands all the same.
    template <class Answer>
    [[nodiscard]] boost::asio::awaitable<Answer> answered(std::function<void(std::function<void(Answer)>)> ask, std::string too_late);
    /// `act(done)` starts something that calls `done` when it is committed; false: it did not.
    [[nodiscard]] boost::asio::awaitable<bool> done(std::function<bool(std::function<void()>)> act);
    [[nodiscard]] boost::asio::awaitable<Json> document(std::int64_t run_id);

    // What people ask of a live run (engine_requests.cpp).
    [[nodiscard]] boost::asio::awaitable<Json> ask(RunRequest request);
    [[nodiscard]] boost::asio::awaitable<void> act(RunRequest request);
    [[nodiscard]] boost::asio::awaitable<void> pass_on(RunRequest request);
    [[noreturn]] void refuse(const Json& run, const RunRequest& request) const;
    void check_decision(const RunRequest& request, const LiveRun& run) const;
    void refuse_part_of_paused(const LiveRun& run) const;

    /// Returns the limits that are not as written.
    [[nodiscard]] boost::asio::awaitable<PutLimits> put_in_force(std::vector<FlowChange> changes, std::optional<Limits> limits,
                                                                 const DeployRequest& request, std::function<void()> adopt,
                                                                 const Json& lines);
    [[nodiscard]] boost::asio::awaitable<void> tell_limits_of_others(Limits written, Limits others);
    [[nodiscard]] boost::asio::awaitable<Json> other_nodes();
    [[nodiscard]] boost::asio::awaitable<TriggerResult> existing(RunRow row, std::string request_hash);
    [[nodiscard]] boost::asio::awaitable<Json> existing_again(RunRow row, std::string request_hash);

    // Backfills (engine_backfill.cpp).
    [[nodiscard]] static std::vector<Interval> backfill_chunks(const FlowPlan& flow, const Interval& whole, const TriggerRequest& request);
    /// The numbers of those that an earlier run completed, and the run.
    [[nodiscard]] boost::asio::awaitable<std::map<int, std::int64_t>>
    completed_chunks(const DeployedFlow& flow, const std::vector<Interval>& parts, const Json& params);
    [[nodiscard]] boost::asio::awaitable<void> refuse_beside_another(const RunRow& row);
    /// Throws Refusal{Conflict}: the commit of `row` found another.
    [[nodiscard]] boost::asio::awaitable<void> refuse_beside_one_admitted(RunRow row);
    [[nodiscard]] boost::asio::awaitable<void> cut_for_backfill(RunRow& row, const DeployedFlow& flow, const TriggerRequest& request);
    /// Of a re-run, whose options are those of the run that it repeats; what is no backfill stays as it is.
    [[nodiscard]] boost::asio::awaitable<void> cut_again(RunRow& row, const DeployedFlow& flow, const RepeatedChunks& before);

    Clock& clock_;
    Store& store_;
    Catalogue& catalogue_;
    Runner& runner_;
    RunIds& ids_;
    Schedules& schedules_;
    FlowFolders& folders_;
    Connections& connections_;
    EventHub& events_;
    const std::string node_;
    const std::function<boost::asio::awaitable<void>()> look_for_flows_; ///< takes up what other nodes deployed
    Json limits_of_others_ = Json::array();                              ///< since the start
    OneAtATime deploys_; ///< else an older one could put its settings in force after a newer one
};

} // namespace millrace
