/// One life of a daemon over a real PostgreSQL that outlives it, with attempts that a test makes as it likes and a clock
/// that moves by itself or when the test says so.
#pragma once

#include "fresh_database.hpp"
#include "given_flows.hpp"
#include "loop.hpp"
#include "plan_text.hpp"
#include "scheduler/engine.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include <catch2/catch.hpp>

#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include <unistd.h>

namespace millrace::test {
namespace asio = boost::asio;
using Texts = std::vector<std::string>;

/// Attempts end as `script` says, at once, else completed; or never, for a task called "hang".
class InstantHosts final : public AttemptRunner {
public:
    using Script = std::function<std::optional<AttemptDone>(const AttemptOrder&)>;

    explicit InstantHosts(asio::io_context& io, std::vector<std::string>& log) : io_(io), log_(log) {}
    void listen(AttemptListener& listener) override { listener_ = &listener; }
    [[nodiscard]] int free_places(const std::string&) const override { return 100; }
    void start(AttemptOrder order) override {
        log_.push_back(order.task);
        if (order.task == "hang") return void(hanging_.push_back(std::move(order)));
        AttemptDone done;
        done.outcome = order.task == "bad" ? "failed" : "completed";
        if (order.task == "bad") done.error = OrderError{"permanent", std::string("NUL \0 and \xFF inside", 19), "", 0};
        if (order.verb == "load") {
            LoadCounts counts;
            counts.table = "t";
            counts.inserted = 7;
            done.loads.push_back(counts);
        }
        if (script)
            if (auto scripted = script(order)) done = std::move(*scripted);
        done.id = order.id;
        asio::post(io_, [this, done] { listener_->attempt_done(done); });
    }
    void cancel(OrderId id) override {
        cancelled.push_back(id);
        AttemptDone done;
        done.outcome = "cancelled";
        (void)end(id, std::move(done));
    }
    /// Of an attempt that hangs. False: none such does.
    bool end(OrderId id, AttemptDone done) {
        if (std::erase_if(hanging_, [&](const AttemptOrder& o) { return o.id == id; }) == 0) return false;
        done.id = id;
        asio::post(io_, [this, done] { listener_->attempt_done(done); });
        return true;
    }
    [[nodiscard]] const std::vector<AttemptOrder>& hanging() const { return hanging_; }
    void kill_all() override {}
    OrderId evaluate(EvaluateOrder order, std::function<void(EvaluateReply)> answer) override {
        EvaluateReply reply;
        if (order.sql.find(" as holds") != std::string::npos)
            reply.rows.push_back({{"holds", holds}});
        else
            for (int i = 0; i < items; ++i) reply.rows.push_back(i);
        const OrderId id = --last_question_;
        questions_.insert(id);
        asio::post(io_, [this, id, answer = std::move(answer), reply] {
            if (questions_.erase(id) > 0) answer(reply);
        });
        return id;
    }
    void drop(OrderId question) override { questions_.erase(question); }
    void infer(InferOrder, std::function<void(InferReply)>) override {}

    Script script;
    int items = 3;     ///< of every query for items that is asked
    Json holds = true; ///< of every condition
    std::vector<OrderId> cancelled;

private:
    asio::io_context& io_;
    std::vector<std::string>& log_;
    AttemptListener* listener_ = nullptr;
    std::vector<AttemptOrder> hanging_;
    OrderId last_question_ = 0;
    std::set<OrderId> questions_; ///< without an answer yet
};

[[nodiscard]] inline AttemptDone failed_attempt(const std::string& error_class, double retry_after = 0) {
    AttemptDone done;
    done.outcome = "failed";
    done.error = OrderError{error_class, "it broke", "", retry_after};
    return done;
}

/// A wall clock that goes from instant to instant, as a machine's does that sleeps between them. The lease counts on the
/// machine's own time, which goes on.
class SteppedClock final : public Clock {
public:
    explicit SteppedClock(Instant start) : now_(start) {}
    [[nodiscard]] Instant now() const override { return now_; }
    [[nodiscard]] std::chrono::microseconds uptime() const override {
        timespec t{};
        clock_gettime(CLOCK_BOOTTIME, &t);
        return std::chrono::seconds(t.tv_sec) + std::chrono::microseconds(t.tv_nsec / 1000) + stood_still;
    }
    [[nodiscard]] std::chrono::microseconds wall_offset() const override { return set_by_; }
    TimerId call_at(Instant at, std::function<void()> action) override {
        timers_.emplace(std::pair(at, ++last_id_), std::move(action));
        return last_id_;
    }
    TimerId call_after(std::chrono::microseconds time, std::function<void()> action) override {
        const auto id = call_at(now_ + time, std::move(action));
        of_time_passed_.insert(id);
        return id;
    }
    void cancel(TimerId id) override {
        std::erase_if(timers_, [&](const auto& timer) { return timer.first.second == id; });
    }
    /// It is `at`; what became due by then happens, each once. Back, it is set back: no time has passed.
    void step_to(Instant at) {
        if (at < now_) set(at - now_);
        now_ = at;
        auto due = std::vector<TimerId>{};
        for (const auto& [key, action] : timers_)
            if (key.first <= at) due.push_back(key.second);
        for (const auto id : due) {
            const auto timer = std::find_if(timers_.begin(), timers_.end(), [&](const auto& t) { return t.first.second == id; });
            if (timer == timers_.end()) continue;
            auto action = std::move(timer->second);
            timers_.erase(timer);
            action();
        }
    }

    /// Somebody sets it to `at`.
    void jump_to(Instant at) {
        set(at - now_);
        now_ = at;
        step_to(at);
    }

    std::chrono::microseconds stood_still{0}; ///< as who looks now sees it: the process, before that

private:
    void set(std::chrono::microseconds by) {
        set_by_ += by;
        for (auto& [key, action] : std::exchange(timers_, {}))
            timers_.emplace(std::pair(of_time_passed_.contains(key.second) ? key.first + by : key.first, key.second), std::move(action));
    }

    Instant now_;
    TimerId last_id_ = 0;
    std::chrono::microseconds set_by_{0};
    std::set<TimerId> of_time_passed_; ///< timers of call_after
    std::map<std::pair<Instant, TimerId>, std::function<void()>> timers_;
};

struct Life {
    /// `now`: the clock stands there until `step_to`, and a flow `probe` helps to settle; else it is the machine's.
    Life(const std::string& url, std::vector<FlowPlan> plans, std::optional<Instant> now = {}, const std::string& node = "test",
         const std::filesystem::path& staging = {})
        : system(io), stepped(now.value_or(Instant{})), clock(now ? static_cast<Clock&>(stepped) : system) {
        (void)spdlog::default_logger_raw(); // as a daemon has it before its threads: spdlog makes it where two threads may meet
        folders.plans = std::move(plans);
        if (now) folders.plans.push_back(plan_text("w: wait", "probe"));
        folder = std::filesystem::temp_directory_path() / ("millrace-engine-" + std::to_string(getpid()) + "-" + node);
        EngineConfig config;
        config.database = url;
        config.state = folder / "state";
        config.staging = staging.empty() ? staging_of(url) : staging;
        config.node = node;
        config.limits = {{"one", 1}, {"two", 2}};
        auto own = std::make_unique<InstantHosts>(io, started);
        hosts = own.get();
        engine = std::make_unique<Engine>(
            io, clock, config, connections, folders, [this](std::string why) { fatal = std::move(why); }, std::move(own));
        (void)wait(flag(engine->start()));
        deploy();
    }
    ~Life() {
        engine.reset();
        std::filesystem::remove_all(folder);
    }
    void deploy() { (void)wait(engine->service().deploy({})); }
    static asio::awaitable<bool> flag(asio::awaitable<void> work) {
        co_await std::move(work);
        co_return true;
    }
    template <class T>
    T wait(asio::awaitable<T> work) {
        std::optional<T> result;
        std::exception_ptr failed;
        asio::co_spawn(io, std::move(work), [&](std::exception_ptr e, T value) {
            failed = e;
            if (!e)
                result = std::move(value);
            else
                result.emplace();
        });
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (!result && std::chrono::steady_clock::now() < deadline) {
            io.restart();
            io.run_one_for(std::chrono::milliseconds(100));
        }
        if (failed) std::rethrow_exception(failed);
        REQUIRE(result);
        return std::move(*result);
    }
    static TriggerRequest request(const std::string& flow, const std::string& key = {}, Json params = Json::object()) {
        TriggerRequest request;
        request.flow = flow;
        request.idempotency_key = key;
        request.params = std::move(params);
        return request;
    }
    Json trigger(const std::string& flow, const std::string& key = {}, Json params = Json::object()) {
        outcome = TriggerResult::Outcome::Created;
        auto result = wait(engine->service().trigger(request(flow, key, std::move(params))));
        outcome = result.outcome;
        return result.run;
    }
    std::int64_t trigger_id(const std::string& flow) { return trigger(flow).at("id").get<std::int64_t>(); }
    Json run(std::int64_t id) { return wait(engine->read_models().run(id)); }
    /// The runs of a flow, oldest first.
    std::vector<Json> runs(const std::string& flow) {
        RunFilter filter;
        filter.flow = flow;
        filter.limit = 500;
        const Json page = wait(engine->read_models().runs(filter));
        std::vector<Json> all(page.at("items").begin(), page.at("items").end());
        std::sort(all.begin(), all.end(), [](const Json& a, const Json& b) { return a.at("id") < b.at("id"); });
        return all;
    }
    Json ended(std::int64_t id) {
        until([&] { return !run(id).at("finished_at").is_null(); });
        return run(id);
    }
    void cancel(std::int64_t id) { (void)wait(engine->service().cancel(id, "me")); }
    void until(const std::function<bool()>& condition) { run_until(io, condition); }
    void step_to(Instant at) {
        stepped.step_to(at);
        settle();
    }
    void step(std::chrono::microseconds by) { step_to(stepped.now() + by); }
    /// What was begun is committed, and what followed from it too: the journal keeps the order, and this goes last.
    void settle() {
        for (int i = 0; i < 3; ++i) (void)ended(trigger_id("probe"));
    }

    asio::io_context io;
    SystemClock system;
    SteppedClock stepped;
    Clock& clock;
    NoConnections connections;
    GivenFlows folders;
    std::filesystem::path folder;
    std::vector<std::string> started;
    std::string fatal;
    TriggerResult::Outcome outcome{};
    InstantHosts* hosts = nullptr;
    std::unique_ptr<Engine> engine;
};

/// Its sentence and its remedy.
template <class Action>
std::string refusal(Action action) {
    try {
        action();
    } catch (const Refusal& e) {
        return std::string(e.what()) + " - " + e.remedy;
    }
    return "it was not refused";
}

} // namespace millrace::test
