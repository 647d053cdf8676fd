// Measures the engine itself: `engine_bench URL chain40|host_chain40|fan|mapped|trigger_latency|throughput|journal_ceiling [N]` and
// `engine_bench URL schedules N NODE SECOND [SPREAD [IDLE]]` print one JSON object. Tasks are `wait: 0s`; attempts, where there
// are any (host_chain40, fan), end at once. `schedules`: N schedules are due at SECOND (Unix time) or in one of the SPREAD seconds from
// there, IDLE others half a year later; several processes, each with its NODE, share a store.
#include "../scheduler/given_flows.hpp"
#include "journal_ceiling.hpp"
#include "scheduler/engine.hpp"
#include "scheduler/store/migrate.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <iostream>
#include <set>

#include <unistd.h>

using namespace millrace;
namespace asio = boost::asio;

namespace {

double seconds_now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

struct InstantHosts final : AttemptRunner {
    explicit InstantHosts(asio::io_context& loop) : io(loop) {}
    void listen(AttemptListener& l) override { listener = &l; }
    [[nodiscard]] int free_places(const std::string&) const override { return 1000; }
    void start(AttemptOrder order) override {
        if (first_start == 0) first_start = seconds_now();
        AttemptDone done;
        done.id = order.id;
        done.outcome = "completed";
        asio::post(io, [this, done] { listener->attempt_done(done); });
    }
    void cancel(OrderId) override {}
    void kill_all() override {}
    OrderId evaluate(EvaluateOrder, std::function<void(EvaluateReply)> answer) override {
        EvaluateReply reply;
        for (std::size_t n = 0; n < items; ++n) reply.rows.push_back({{"n", n}});
        asio::post(io, [answer = std::move(answer), reply = std::move(reply)] { answer(reply); });
        return 0;
    }
    void infer(InferOrder, std::function<void(InferReply)>) override {}
    void drop(OrderId) override {}
    asio::io_context& io;
    AttemptListener* listener = nullptr;
    std::size_t items = 0;
    double first_start = 0;
};

TaskPlan wait_task(const std::string& name, std::vector<int> needs) {
    TaskPlan task;
    task.name = name;
    task.verb = Verb::Wait;
    task.needs = std::move(needs);
    task.options["seconds"] = 0.0;
    return task;
}

/// Due once a year.
std::string cron_at(std::time_t second) {
    std::tm t{};
    gmtime_r(&second, &t);
    return fmt::format("{} {} {} {} {} *", t.tm_sec, t.tm_min, t.tm_hour, t.tm_mday, t.tm_mon + 1);
}

/// In flows of 100.
std::vector<FlowPlan> scheduled(int n, std::time_t second, int spread, int idle) {
    std::vector<FlowPlan> flows;
    for (int i = 0; i < n + idle; ++i) {
        if (i % 100 == 0) {
            FlowPlan flow;
            flow.name = fmt::format("due{}", i / 100);
            flow.overlap = "allow";
            flow.params.emplace_back().name = "n";
            flow.params.back().type = "int";
            flow.tasks = {wait_task("only", {})};
            flows.push_back(std::move(flow));
        }
        ScheduleSpec spec;
        spec.cron = cron_at(i < n ? second + i % spread : second + 182 * 86400);
        spec.params = {{"n", i}};
        flows.back().schedules.push_back(spec);
    }
    return flows;
}

std::vector<FlowPlan> plans() {
    FlowPlan chain, host_chain, fan, mapped;
    chain.name = "chain40";
    chain.overlap = "allow";
    for (int i = 0; i < 40; ++i)
        chain.tasks.push_back(wait_task("t" + std::to_string(i), i ? std::vector<int>{i - 1} : std::vector<int>{}));
    host_chain = chain;
    host_chain.name = "host_chain40";
    for (auto& task : host_chain.tasks) task.verb = Verb::Run;
    fan.name = "fan";
    TaskPlan first = wait_task("items", {});
    first.verb = Verb::Run;
    TaskPlan each = wait_task("each", {0});
    each.map_over = ForEach{"items", ""};
    fan.tasks = {first, each};
    mapped.name = "mapped";
    for (int i = 0; i < 10; ++i) {
        mapped.tasks.push_back(wait_task("each" + std::to_string(i), {}));
        mapped.tasks.back().map_over = ForEach{"", "select * from items"};
    }
    return {chain, host_chain, fan, mapped};
}

struct Bench {
    Bench(const std::string& url, const std::string& node, std::vector<FlowPlan> flows) : clock(io) {
        folders.plans = std::move(flows);
        folder = std::filesystem::temp_directory_path() / ("millrace-bench-" + std::to_string(getpid()));
        EngineConfig config;
        config.database = url;
        config.state = folder / "state";
        const char* shared = std::getenv("MILLRACE_BENCH_STAGING"); // of several nodes
        config.staging = shared ? std::filesystem::path(shared) : folder / "staging";
        config.node = node;
        auto own = std::make_unique<InstantHosts>(io);
        hosts = own.get();
        engine = std::make_unique<Engine>(
            io, clock, config, connections, folders, [](std::string why) { std::fprintf(stderr, "%s\n", why.c_str()), std::abort(); },
            std::move(own));
    }
    ~Bench() { std::filesystem::remove_all(folder); }

    asio::awaitable<std::int64_t> start(std::string flow) {
        TriggerRequest request;
        request.flow = std::move(flow);
        auto result = co_await engine->service().trigger(std::move(request));
        co_return result.run.at("id").get<std::int64_t>();
    }
    asio::awaitable<void> start_many(std::string flow, int& left) {
        while (left-- > 0) (void)co_await start(flow);
    }
    asio::awaitable<void> until_ended(std::int64_t id) {
        for (;;) {
            if (ended.contains(id)) co_return;
            co_await sleep_until(clock, clock.now() + std::chrono::microseconds(100));
        }
    }
    asio::awaitable<Json> measure(std::string what, int n) {
        co_await engine->start();
        DeployRequest all;
        (void)co_await engine->service().deploy(std::move(all));
        auto hear = [this](const EngineEvent& e) {
            if (e.type == "run" && !e.data.at("finished_at").is_null()) ended.insert(e.run_id);
        };
        if (what != "throughput") subscription = engine->service().subscribe(std::move(hear));
        const double begin = seconds_now();
        Json figures = Json::object();
        if (what == "chain40" || what == "host_chain40") {
            std::vector<double> took;
            for (int i = 0; i < n; ++i) {
                const double from = seconds_now();
                const auto id = co_await start(what);
                co_await until_ended(id);
                took.push_back(seconds_now() - from);
            }
            std::sort(took.begin(), took.end());
            figures = {{"wall_s", {{"min", took.front()}, {"median", took[took.size() / 2]}, {"max", took.back()}}}};
        } else if (what == "fan" || what == "mapped") {
            hosts->items = static_cast<std::size_t>(what == "fan" ? n : n / 10);
            const auto id = co_await start(what);
            co_await until_ended(id);
            figures = {{"wall_s", seconds_now() - begin}, {"task_runs_per_s", n / (seconds_now() - begin)}};
        } else if (what == "trigger_latency") {
            std::vector<double> took;
            for (int i = 0; i < n; ++i) {
                hosts->first_start = 0;
                const double from = seconds_now();
                const auto id = co_await start("host_chain40");
                took.push_back(hosts->first_start - from);
                co_await until_ended(id);
            }
            std::sort(took.begin(), took.end());
            figures = {{"p50_ms", took[took.size() / 2] * 1000}, {"p99_ms", took[took.size() * 99 / 100] * 1000}};
        } else if (what == "schedules") { // whoever started it looks into the store, and ends it
            for (;;) co_await sleep_until(clock, clock.now() + std::chrono::hours(1));
        } else { // throughput: many runs of 40 tasks at once, asked for by 50 clients
            int left = n / 40;
            for (int client = 0; client < 50; ++client) asio::co_spawn(io, start_many("chain40", left), asio::detached);
            while (engine->read_models().figures().value("completed_task_runs_total", 0) < n / 40 * 40 ||
                   engine->read_models().figures().value("live_runs", 1) > 0)
                co_await sleep_until(clock, clock.now() + std::chrono::milliseconds(1));
            figures = {{"wall_s", seconds_now() - begin}, {"task_runs_per_s", n / 40 * 40 / (seconds_now() - begin)}};
        }
        figures["journal"] = engine->read_models().figures();
        subscription.reset();
        co_await engine->stop();
        co_return figures;
    }

    asio::io_context io;
    SystemClock clock;
    test::NoConnections connections;
    test::GivenFlows folders;
    std::filesystem::path folder;
    InstantHosts* hosts = nullptr;
    std::set<std::int64_t> ended;
    std::unique_ptr<Engine> engine;
    std::unique_ptr<Subscription> subscription;
};

} // namespace

int main(int argc, char** argv) {
    if (argc < 3)
        return std::fprintf(stderr,
                            "usage: engine_bench URL chain40|host_chain40|fan|mapped|trigger_latency|throughput|journal_ceiling [N]\n"),
               2;
    const std::string url = argv[1], what = argv[2];
    const int n = argc > 3 ? std::atoi(argv[3]) : what == "chain40" || what == "host_chain40" || what == "trigger_latency" ? 50 : 100'000;
    if (what == "journal_ceiling") {
        migrate(url);
        const auto ceiling = bench::journal_ceiling(url, n, 2000);
        std::cout << Json{{"task_runs_per_s", ceiling.task_runs_per_second},
                          {"inserted_once_per_s", ceiling.inserted_once_per_second},
                          {"commit_ms", ceiling.commit_ms}}
                  << "\n";
        return 0;
    }
    const bool due = what == "schedules";
    if (due && argc < 6) return std::fprintf(stderr, "usage: engine_bench URL schedules N NODE SECOND [SPREAD [IDLE]]\n"), 2;
    Bench b(url, due ? argv[4] : "bench",
            due ? scheduled(n, std::atoll(argv[5]), argc > 6 ? std::atoi(argv[6]) : 1, argc > 7 ? std::atoi(argv[7]) : 0) : plans());
    int status = 1;
    asio::co_spawn(b.io, b.measure(what, n), [&](std::exception_ptr failed, Json figures) {
        try {
            if (failed) std::rethrow_exception(failed);
            std::cout << figures << "\n";
            status = 0;
        } catch (const std::exception& e) {
            std::fprintf(stderr, "%s\n", e.what());
        }
        b.io.stop();
    });
    b.io.run();
    return status;
}
