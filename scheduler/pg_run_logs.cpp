// What is asked about what happened in runs: logs and events.
#include "scheduler/attempts_not_begun.hpp"
#include "scheduler/log_files.hpp"
#include "scheduler/pg_documents.hpp"
#include "scheduler/pg_read_models.hpp"
#include "scheduler/store/array_text.hpp"

#include <algorithm>

namespace millrace {
namespace asio = boost::asio;
using Kind = Refusal::Kind;

constexpr const char* attempt_logs = R"sql(
    select a.task, a.item, a.number, a.log, t.value, extract(epoch from a.finished_at) * 1000000, a.error ->> 'message'
      from millrace.attempt a left join millrace.task_run t on t.run_id = a.run_id and t.task = a.task and t.item = a.item
     where a.run_id = $1 and ($2::int is null or a.task = $2::int)
     order by a.started_at, a.task, a.item, a.number)sql";

constexpr const char* run_acts = R"sql(
    select extract(epoch from at) * 1000000, message from millrace.event
     where run_id = $1 and task is null and kind in ('rerun', 'cancelled', 'paused', 'resumed') order by id)sql";

/// What was done to the run as a whole, by people or by a daemon that took it over.
static std::vector<LogSource> acts_of(pqxx::nontransaction& w, std::int64_t run_id) {
    std::vector<LogSource> sources;
    for (const auto& r : w.exec_prepared("run_acts", run_id)) {
        LogSource source;
        source.attempt = 0;
        source.line = LogLine{to_rfc3339(*instant_from(r[0])), "info", r[1].c_str(), true};
        sources.push_back(std::move(source));
    }
    return sources;
}

/// What stands for the log of an attempt that ended. One that never began, which its error says, left none.
static LogLine stand_in(Instant finished_at, const std::string& error) {
    const auto at = to_rfc3339(finished_at);
    if (error == cancelled_before_it_began) return {at, "info", error, true};
    if (error.starts_with(no_folder)) return {at, "error", error, true};
    return {at, "warning",
            "the log of this attempt is gone from the staging folder: retention removes logs (`retention.logs` in millrace.yaml), or "
            "somebody did",
            true};
}

static std::vector<LogSource> attempts_of(pqxx::nontransaction& w, std::int64_t run_id, const FlowPlan& plan, std::optional<int> only) {
    std::vector<LogSource> sources;
    for (const auto& r : w.exec_prepared("attempt_logs", run_id, only)) {
        LogSource source;
        source.path = r[3].c_str();
        source.task = task_of(plan, r[0].as<int>()).name;
        if (!r[4].is_null()) source.item = Json::parse(r[4].c_str());
        source.attempt = r[2].as<int>();
        if (!r[5].is_null()) source.gone = stand_in(*instant_from(r[5]), r[6].is_null() ? "" : r[6].c_str());
        sources.push_back(std::move(source));
    }
    return sources;
}

/// The logs of the attempts of that number. Throws Refusal{NotFound} where there is none.
static void keep_attempt(std::vector<LogSource>& sources, int number, const std::string& whose) {
    int last = 0;
    for (const auto& source : sources) last = std::max(last, source.attempt);
    std::erase_if(sources, [number](const LogSource& source) { return source.attempt != number; });
    if (sources.empty())
        throw Refusal(Kind::NotFound, whose + " has no attempt " + std::to_string(number),
                      last == 0   ? "it has had no attempt yet"
                      : last == 1 ? "it has had one attempt: 1"
                                  : "its attempts are 1 to " + std::to_string(last));
}

/// Of tasks that a person decides, whose attempts have no files: who did, or why nobody could.
static void add_decisions(std::vector<LogSource>& sources, const FlowPlan& plan, const std::vector<StoredTaskRun>& task_runs,
                          std::optional<int> only) {
    for (const auto& [key, run] : task_runs) {
        const TaskPlan& task = task_of(plan, key.task);
        const bool decided = run.state == State::Completed || run.state == State::Failed;
        if (task.verb != Verb::Approve || !decided || !run.finished_at || !run.details || (only && key.task != *only)) continue;
        LogSource source;
        source.task = task.name;
        source.line = LogLine{to_rfc3339(*run.finished_at), run.state == State::Failed ? "error" : "info", run.details->message, true};
        sources.push_back(std::move(source));
    }
}

asio::awaitable<Json> PgReadModels::logs(std::int64_t run_id, LogFilter filter) {
    const auto row = co_await row_of(run_id);
    const auto plan = co_await plan_of(row.plan_hash);
    const auto only = task_asked_for(*plan, filter.task);
    const bool over = is_final(row.state);
    const bool whole = filter.task.empty() && filter.attempt == 0;
    auto work = [=](pqxx::nontransaction& w) {
        auto sources = attempts_of(w, run_id, *plan, only);
        if (whole) {
            auto acts = acts_of(w, run_id);
            std::move(acts.begin(), acts.end(), std::back_inserter(sources));
        }
        return sources;
    };
    auto sources = co_await s_.database.read(std::move(work));
    const bool asks = std::any_of(plan->tasks.begin(), plan->tasks.end(), [](const TaskPlan& t) { return t.verb == Verb::Approve; });
    if (filter.attempt > 0) {
        keep_attempt(sources, filter.attempt,
                     (filter.task.empty() ? "" : "task " + filter.task + " of ") + "run " + std::to_string(run_id));
    } else if (asks) {
        const auto task_runs = co_await s_.store.task_runs(run_id);
        add_decisions(sources, *plan, task_runs, only);
    }
    const int limit = std::clamp(filter.limit, 1, 10000);
    LogWanted wanted{std::move(filter.search), std::move(filter.level)};
    auto read = [sources = std::move(sources), after = filter.after, limit, over, wanted = std::move(wanted)] {
        return read_logs(sources, after, limit, over, wanted);
    };
    co_return co_await s_.database.on_pool(std::move(read));
}

constexpr const char* run_events = R"sql(
    select id, extract(epoch from at) * 1000000, task, kind, message, details from millrace.event
     where run_id = $1 and id > $2 and (cardinality($3::text[]) = 0 or kind = any($3::text[])) order by id limit $4)sql";

constexpr const char* count_run_events = R"sql(
    select count(*) from (select from millrace.event where run_id = $1 and id > $2 and kind = any($3::text[]) limit 10000) e)sql";

/// Those of is_warning(), and the same of what the watch over `expect` tells; these are counted apart, since some come when the run is
/// over.
static std::string warning_kinds() {
    ArrayText kinds;
    for (const char* kind : {"warning", "quarantined", "drifted", event_kind::late, event_kind::rows_out_of_range}) kinds.add_text(kind);
    return kinds.take();
}

asio::awaitable<Json> PgReadModels::events(std::int64_t run_id, RunEventFilter filter) {
    (void)co_await row_of(run_id);
    const auto after = number_from(filter.after, 0);
    const auto limit = static_cast<std::size_t>(std::clamp(filter.limit, 1, 10000));
    const auto kinds = filter.only_warnings ? warning_kinds() : "{}";
    auto work = [run_id, after, limit, kinds](pqxx::nontransaction& w) {
        Json items = Json::array(), next;
        for (const auto& r : w.exec_prepared("run_events", run_id, after, kinds, limit + 1)) {
            if (items.size() == limit) {
                next = items.back().at("id").dump();
                break;
            }
            items.push_back({{"id", r[0].as<std::int64_t>()},
                             {"at", time_or_null(r[1])},
                             {"run_id", run_id},
                             {"task", r[2].is_null() ? Json() : Json(r[2].c_str())},
                             {"kind", r[3].c_str()},
                             {"message", r[4].c_str()},
                             {"details", Json::parse(r[5].c_str())}});
        }
        return page(std::move(items), std::move(next));
    };
    co_return co_await s_.database.read(std::move(work));
}

asio::awaitable<std::int64_t> PgReadModels::count_warnings(std::int64_t run_id, std::string after) {
    const auto last = number_from(after, 0);
    auto work = [run_id, last, kinds = warning_kinds()](pqxx::nontransaction& w) {
        return w.exec_prepared1("count_run_events", run_id, last, kinds)[0].as<std::int64_t>();
    };
    co_return co_await s_.database.read(std::move(work));
}

std::vector<Statement> log_statements() {
    return {{"attempt_logs", attempt_logs}, {"run_acts", run_acts}, {"run_events", run_events}, {"count_run_events", count_run_events}};
}

} // namespace millrace
