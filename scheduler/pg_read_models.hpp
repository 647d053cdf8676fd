/// ReadModels over the store's rows; what is live here is told from memory, which is newer.
#pragma once

#include "scheduler/catalogue.hpp"
#include "scheduler/host_pool.hpp"
#include "scheduler/ports.hpp"
#include "scheduler/read_models.hpp"
#include "scheduler/retention_job.hpp"
#include "scheduler/runner.hpp"
#include "scheduler/schedules.hpp"

namespace millrace {

class PgReadModels final : public ReadModels {
public:
    struct Sources {
        Database& database;
        Store& store;
        Catalogue& catalogue;
        Runner& runner;
        Schedules& schedules;
        AttemptRunner& hosts;
        Connections& connections;
        std::string node;
        std::function<Json()> journal; ///< its figures
        std::function<Json()> watch;   ///< figures of the watch over expectations
        std::function<Json()> loop_lag;
        std::function<Json()> host_list;
        std::function<Json()> settings;                  ///< those in force
        std::function<bool(const std::string&)> is_demo; ///< of a folder of flows
        const RetentionJob& retention;
        const Clock& clock;
        std::function<std::string()> journal_away; ///< why it writes nothing now; empty: it can
        std::function<Json()> limits_of_others;    ///< [{key, slots, written}]: in force, and not as this node's millrace.yaml says
        std::function<std::string()> clock_wrong;  ///< why schedules rest on this node; empty: they do not
        std::function<std::string()> staging_lost; ///< why task runs wait for the folder; empty: it is there
        std::function<boost::asio::awaitable<void>()> look_for_flows; ///< takes up what other nodes deployed
    };
    explicit PgReadModels(Sources sources) : s_(std::move(sources)) {}

    [[nodiscard]] boost::asio::awaitable<Json> flows() override;
    [[nodiscard]] boost::asio::awaitable<Json> flow(std::string name) override;
    [[nodiscard]] boost::asio::awaitable<Json> plan(std::string flow) override;
    [[nodiscard]] boost::asio::awaitable<Json> runs(RunFilter filter) override;
    [[nodiscard]] boost::asio::awaitable<Json> run(std::int64_t id) override;
    [[nodiscard]] boost::asio::awaitable<Json> tasks(std::int64_t run_id, TaskFilter filter) override;
    [[nodiscard]] boost::asio::awaitable<Json> logs(std::int64_t run_id, LogFilter filter) override;
    [[nodiscard]] boost::asio::awaitable<Json> events(std::int64_t run_id, RunEventFilter filter) override;
    [[nodiscard]] boost::asio::awaitable<Json> graph(std::int64_t run_id) override;
    [[nodiscard]] boost::asio::awaitable<Json> dataset(std::int64_t run_id, std::string task, int limit) override;
    [[nodiscard]] boost::asio::awaitable<Json> rejected_rows(std::int64_t run_id, std::string task, int limit) override;
    [[nodiscard]] boost::asio::awaitable<Json> schedules() override;
    [[nodiscard]] boost::asio::awaitable<Json> nodes() override;
    [[nodiscard]] boost::asio::awaitable<Json> limits() override;
    [[nodiscard]] boost::asio::awaitable<Json> doctor() override;
    [[nodiscard]] Json lacks() const override;
    [[nodiscard]] Json figures() const override;

private:
    [[nodiscard]] Json schedule_line(const StoredSchedule& schedule) const;
    [[nodiscard]] Json flow_document(const DeployedFlow& flow, const Json& last_runs, const Json& attention) const;
    struct RunBreaches {
        int count = 0;
        std::string late; ///< why nothing of it has begun in time; empty: it has
    };
    [[nodiscard]] Json run_line(const RunRow& row, const RunBreaches& breaches) const;
    [[nodiscard]] static std::vector<std::int64_t> looks_back(pqxx::nontransaction& w);
    [[nodiscard]] static std::map<std::string, Json> last_runs_of(pqxx::nontransaction& w, std::vector<std::string> flows, int limit);
    [[nodiscard]] static std::map<std::int64_t, RunBreaches> breaches_of(pqxx::nontransaction& w, const std::vector<std::int64_t>& runs);
    /// Of a run, after the page of events that ends with `after`.
    [[nodiscard]] boost::asio::awaitable<std::int64_t> count_warnings(std::int64_t run_id, std::string after);
    [[nodiscard]] boost::asio::awaitable<void> refuse_whole_of_chunks(std::int64_t run_id, std::string task, std::string option);
    /// The row and its plan. Throws Refusal{NotFound}.
    [[nodiscard]] boost::asio::awaitable<RunRow> row_of(std::int64_t run_id);
    [[nodiscard]] boost::asio::awaitable<std::shared_ptr<const FlowPlan>> plan_of(std::string hash);
    Sources s_;
};

[[nodiscard]] const std::vector<Statement>& read_statements();

} // namespace millrace
