/// A credential that others use too: permits come from a desk, which the test plays, and pauses go there.
#include "connectors/http/quota.hpp"
#include "tests/connectors/http/extraction_fixture.hpp"

#include <thread>

using namespace millrace;
using namespace millrace::test;
using namespace std::chrono_literals;

namespace {

/// Answers each request after it is asked, as `rule` says; without one, never.
struct Desk : PermitDesk {
    void ask(const PermitRequest& request) override {
        const std::lock_guard lock(mutex);
        asked.push_back(request);
        if (!rule) return;
        auto grant = rule(request);
        grant.credential = request.credential;
        answers.emplace_back([this, grant] { governors.granted(grant); });
    }
    void tell(const CredentialPause& pause) override {
        const std::lock_guard lock(mutex);
        pauses.push_back(pause);
    }
    void tell(const CredentialQuota& quota) override {
        const std::lock_guard lock(mutex);
        quotas.push_back(quota);
    }
    ~Desk() override {
        for (auto& answer : answers) answer.join();
    }

    std::function<PermitGrant(const PermitRequest&)> rule;
    Governors governors{this};
    std::mutex mutex;
    std::vector<PermitRequest> asked;
    std::vector<CredentialPause> pauses;
    std::vector<CredentialQuota> quotas;
    std::deque<std::thread> answers;
};

/// The time that so many requests one after the other take, in seconds.
double time_of(Governor& governor, int requests) {
    const auto begin = Governor::Clock::now();
    for (int i = 0; i < requests; ++i) (void)governor.acquire(60, {}, {});
    return std::chrono::duration<double>(Governor::Clock::now() - begin).count();
}

PermitGrant granted(const PermitRequest& request, double wait) {
    PermitGrant grant;
    grant.count = request.count;
    grant.wait = wait;
    grant.spacing = request.rate > 0 ? 1 / request.rate : 0;
    return grant;
}

} // namespace

TEST_CASE("permits are asked for in batches that grow while they are used, and one at a time where they are rare") {
    Desk desk;
    auto& governors = desk.governors;
    double next = 0;
    const auto begin = Governor::Clock::now();
    desk.rule = [&](const PermitRequest& request) {
        const double now = std::chrono::duration<double>(Governor::Clock::now() - begin).count();
        const double from = std::max(next, now);
        next = from + request.count / request.rate;
        return granted(request, from - now);
    };
    const auto fast = governors.of("fast", "crm", {200, 4}, true);
    const double seconds = time_of(*fast, 200);
    CHECK(seconds > 0.9);
    {
        const std::lock_guard lock(desk.mutex);
        CHECK(desk.asked.size() < 40); // far fewer than requests
        CHECK(desk.asked.front().connection == "crm");
        for (const auto& request : desk.asked) CHECK(request.count <= 200);
        desk.asked.clear();
    }
    next = 0;
    const auto slow = governors.of("slow", "crm", {10, 4}, true);
    std::this_thread::sleep_for(5ms);
    CHECK(time_of(*slow, 6) > 0.45);
}

TEST_CASE("a permit whose time has passed is void") {
    Desk desk;
    auto& governors = desk.governors;
    desk.rule = [](const PermitRequest& request) {
        auto grant = granted(request, 0);
        grant.count = 3;
        return grant;
    };
    const auto governor = governors.of("c", "crm", {50, 4}, true);
    (void)governor->acquire(60, {}, {}); // two are left
    std::this_thread::sleep_for(200ms);
    const auto asked = [&] {
        const std::lock_guard lock(desk.mutex);
        return desk.asked.size();
    };
    const auto before = asked();
    (void)governor->acquire(60, {}, {});
    CHECK(asked() > before);
}

TEST_CASE("who gets no answer keeps to his share of the rate, and never to none") {
    Desk desk;
    auto& governors = desk.governors;
    const auto governor = governors.of("c", "crm", {100, 4}, true);
    PermitGrant alone; // two nodes, and the store is away
    alone.credential = "c";
    alone.alone = true;
    alone.share = 0.5;
    governors.granted(alone);
    CHECK(time_of(*governor, 21) > 0.39);
    // A desk that says nothing at all.
    const auto silent = governors.of("d", "crm", {100, 4}, true);
    const double seconds = time_of(*silent, 21);
    CHECK(seconds > 2.15); // its patience, then the rate
    CHECK(seconds < 4);
}

TEST_CASE("a pause goes to the desk, and one that others were told holds here") {
    Desk desk;
    auto& governors = desk.governors;
    desk.rule = [](const PermitRequest& request) { return granted(request, 0); };
    const auto limited = governors.of("c", "crm", {1000, 4}, true), unlimited = governors.of("u", "crm", {0, 4}, true);
    for (const auto& governor : {limited, unlimited}) {
        (void)governor->acquire(60, {}, {});
        const bool first = governor == limited;
        governors.paused({first ? "c" : "u", "", 0.3});
        CHECK(time_of(*governor, 1) > 0.29);
    }
    limited->pause(120);
    CHECK(desk.pauses.size() == 1);
    CHECK(desk.pauses.at(0).credential == "c");
    try {
        (void)limited->acquire(60, {}, {});
        FAIL("it did not refuse");
    } catch (const Error& e) {
        CHECK_THAT(e.what(), Catch::Contains("it waits for the rate limit of crm until 20"));
        CHECK(e.retry_after > 110);
    }
}

TEST_CASE("a quota is told, and one that is used up is a pause until it is whole") {
    Desk desk;
    auto& governors = desk.governors;
    const auto governor = governors.of("c", "crm", {0, 4}, true);
    governor->learn(100, 40, 0);
    governor->learn(100, 39, 0); // too soon to be worth a message
    governor->learn(100, 0, 30);
    REQUIRE(desk.quotas.size() == 2);
    CHECK(desk.quotas[0].left == 40);
    CHECK(desk.quotas[1].left == 0);
    REQUIRE(desk.pauses.size() == 1);
    CHECK(desk.pauses[0].seconds == 30);
}

TEST_CASE("what is left of a quota is read from the headers that services use") {
    const auto now = *parse_rfc3339("2026-11-20T06:00:00Z");
    const auto quota = [&](const std::map<std::string, std::string>& headers) {
        const auto q = quota_in(headers, now);
        return q ? fmt::format("{} of {}, {:g} s", q->left, q->limit.value_or(-1), q->reset) : "none";
    };
    CHECK(quota({{"x-ratelimit-limit", "100"}, {"x-ratelimit-remaining", "7"}, {"x-ratelimit-reset", "30"}}) == "7 of 100, 30 s");
    CHECK(quota({{"x-ratelimit-remaining", "0"}, {"x-ratelimit-reset", std::to_string(to_micros(now) / 1'000'000 + 90)}}) ==
          "0 of -1, 90 s");
    CHECK(quota({{"ratelimit-limit", "100, 100;w=60"}, {"ratelimit-remaining", "3"}}) == "3 of 100, 0 s");
    CHECK(quota({{"ratelimit", "\"default\";r=50;t=20"}}) == "50 of -1, 20 s");
    CHECK(quota({{"ratelimit", "limit=100, remaining=50, reset=5"}}) == "50 of 100, 5 s");
    CHECK(quota({{"x-ratelimit-limit", "100"}}) == "none");
    CHECK(quota({{"x-ratelimit-remaining", "many"}}) == "none");
}

TEST_CASE_METHOD(Extraction, "a pause that the service asks for is no failed try, and the wait is told by the connection's name") {
    plan.retries.tries = 1;
    plan.connection_name = "crm";
    std::string steps;
    events.progress = [&](const ExtractionProgress& p) {
        const std::lock_guard lock(mutex);
        steps += p.step + "\n";
    };
    int refused = 0;
    const Entries entries{5, 10};
    TestServer server([&](const TestRequest& r) {
        if (refused++ < 2) return TestAnswer{429, "{}", {{"Retry-After", "2"}}};
        return entries(r);
    });
    CHECK(run(server)[0].records == 5);
    CHECK(refused == 3);
    CHECK_THAT(steps, Catch::Contains("waits for the rate limit of crm until ") && Catch::Contains(" UTC\n"));
}
