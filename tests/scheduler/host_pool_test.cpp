// What a pool of hosts does for attempts and questions.
#include "given_host_pool.hpp"

#include <algorithm>
#include <set>

using namespace millrace;
using test::lives;
using test::Pool;

TEST_CASE("an attempt is done by a host, with progress on the way") {
    Pool p;
    for (const char* verb : {"extract", "transform", "run"}) {
        const auto& done = p.done(p.start("echo", verb));
        CHECK(done.outcome == "completed");
        CHECK(done.rows == 3);
    }
    CHECK(p.listener.progress.size() == 3);
}

TEST_CASE("hosts are started one after the other, first one that answers questions, until there are enough") {
    Pool p;
    const auto kinds = [&] {
        std::multiset<std::string> found;
        for (const auto& host : p.pool->describe()) found.insert(host["kind"].get<std::string>());
        return found;
    };
    CHECK(kinds() == std::multiset<std::string>{"sql"});
    p.until([&] {
        const auto hosts = p.pool->describe();
        CHECK(std::count_if(hosts.begin(), hosts.end(), [](const Json& host) { return !host["ready"].get<bool>(); }) <= 1);
        return hosts.size() == 4;
    });
    CHECK(kinds() == std::multiset<std::string>{"extract", "run", "sql", "sql"});
}

TEST_CASE("a host that dies ends its attempt as crashed, and another takes its place") {
    Pool p;
    const auto& done = p.done(p.start("die"));
    CHECK(done.outcome == "lost");
    REQUIRE(done.error);
    CHECK(done.error->error_class == "crashed");
    CHECK(done.error->message.find("Killed") != std::string::npos);
    CHECK(p.done(p.start("echo")).outcome == "completed");
}

TEST_CASE("a host that says what is no message is killed, and its attempt has crashed") {
    const std::string said =
        GENERATE(as<std::string>(), "no JSON", "[]", R"({"id": ID})", R"({"type": 1, "id": ID})", R"({"type": "done", "id": "ID"})",
                 R"({"type": "done", "id": ID, "rows": "three"})", R"({"type": "progress", "id": ID, "pages": {}})",
                 R"({"type": "event", "id": ID, "kind": []})", R"({"type": "done", "id": ID, "outcome": "completed", "loads": [1]})");
    CAPTURE(said);
    Pool p;
    const auto& done = p.done(p.start("say " + said));
    CHECK(done.outcome == "lost");
    REQUIRE(done.error);
    CHECK(done.error->error_class == "crashed");
    CHECK(p.done(p.start("echo")).outcome == "completed");
}

TEST_CASE("a message of an unknown type, or of an order that is settled, changes nothing") {
    Pool p;
    const std::string said = R"({"type": "weather", "id": ID})"
                             "\n"
                             R"({"type": "done", "id": 4711, "outcome": "failed"})"
                             "\n"
                             R"({"type": "rows", "id": ID, "rows": []})"
                             "\n"
                             R"({"type": "done", "id": ID, "outcome": "completed", "rows": 5})";
    CHECK(p.done(p.start("say " + said)).rows == 5);
    CHECK(p.listener.ended.size() == 1);
}

TEST_CASE("who hears that an attempt of a dead host ended finds the places of all of them free") {
    Pool p;
    std::vector<int> free;
    p.listener.on_done = [&] { free.push_back(p.pool->free_places("extract")); };
    for (int i = 0; i < 3; ++i) p.start("hang", "extract");
    CHECK(p.done(p.start("die", "extract")).outcome == "lost");
    p.until([&] { return p.listener.ended.size() == 4; });
    CHECK(free == std::vector<int>(4, 8));
}

TEST_CASE("places are counted by kind") {
    Pool p;
    CHECK(p.pool->free_places("run") == 2);
    const auto id = p.start("hang", "run");
    CHECK(p.pool->free_places("run") == 1);
    CHECK(p.pool->free_places("load") == 2);
    p.pool->cancel(id);
    p.done(id);
    CHECK(p.pool->free_places("run") == 2);
}

TEST_CASE("questions are answered, with the environment that was declared, and survive one dead host") {
    Pool p;
    std::optional<EvaluateReply> reply;
    EvaluateOrder order;
    order.sql = "select 1";
    p.pool->evaluate(order, [&](EvaluateReply r) { reply = std::move(r); });
    p.until([&] { return reply.has_value(); });
    CHECK(reply->rows.at(0) == Json{{"sql", "select 1"}, {"home", "/nowhere"}});
    reply.reset();
    order.sql = "parts";
    p.pool->evaluate(order, [&](EvaluateReply r) { reply = std::move(r); });
    p.until([&] { return reply.has_value(); });
    CHECK(Json(reply->rows).dump() == R"([0,"0",1,"1",2,"2"])");
    reply.reset();
    order.sql = GENERATE("die", "babble", "half");
    p.pool->evaluate(order, [&](EvaluateReply r) { reply = std::move(r); });
    p.until([&] { return reply.has_value(); });
    REQUIRE(reply->error);
    CHECK(reply->error->error_class == "crashed");
    CHECK(reply->rows.empty());
}

TEST_CASE("a question that is dropped, or that takes longer than its time, ends with its host, and others are answered") {
    Pool p;
    std::map<std::string, std::vector<EvaluateReply>> replies;
    const auto ask = [&](const std::string& sql, double timeout) {
        EvaluateOrder order;
        order.sql = sql;
        order.timeout = timeout;
        return p.pool->evaluate(order, [&replies, sql](EvaluateReply r) { replies[sql].push_back(std::move(r)); });
    };
    const auto who_answers = [&] {
        int pid = 0;
        for (const auto& host : p.pool->describe())
            if (host.at("orders") == 1 && host.at("ready") == true) pid = host.at("pid");
        return pid;
    };
    p.until([&] {
        const auto hosts = p.pool->describe();
        return std::any_of(hosts.begin(), hosts.end(), [](const Json& h) { return h.at("kind") == "sql" && h.at("ready") == true; });
    });
    const bool dropped = GENERATE(true, false);
    const auto question = ask("hang", dropped ? 1000 : 1.5);
    int host = 0;
    p.until([&] { return (host = who_answers()) != 0; });
    const auto in_line = ask("never", 1000);
    (void)ask("select 1", 1000);
    p.pool->drop(in_line);
    if (dropped) p.pool->drop(question), p.pool->drop(question);
    p.until([&] { return !lives(host) && !replies["select 1"].empty(); });
    CHECK(replies["never"].empty());
    REQUIRE(replies["hang"].size() == (dropped ? 0 : 1));
    if (dropped) return;
    REQUIRE(replies["hang"][0].error);
    CHECK(replies["hang"][0].error->error_class == "timeout");
    CHECK(replies["hang"][0].error->message == "timed out after 1.5 s");
    p.until([&] { return who_answers() == 0; }); // nobody is asked again
}

TEST_CASE("a host program that does not exist ends attempts with its name") {
    Pool p("/nowhere/millrace-host");
    const auto& done = p.done(p.start("echo"));
    REQUIRE(done.error);
    CHECK(done.error->error_class == "crashed");
    CHECK(done.error->message.find("/nowhere/millrace-host") != std::string::npos);
}

TEST_CASE("a host that asks for permits is answered by who shares credentials, and a pause goes to every extract host") {
    struct Desk final : CredentialDesk {
        void permits(PermitRequest request, std::function<void(PermitGrant)> answer) override {
            asked.push_back(request);
            PermitGrant grant;
            grant.credential = request.credential;
            grant.count = request.count;
            answer(std::move(grant));
        }
        void pause(CredentialPause pause) override { pauses.push_back(std::move(pause)); }
        void quota(CredentialQuota quota) override { quotas.push_back(std::move(quota)); }
        std::vector<PermitRequest> asked;
        std::vector<CredentialPause> pauses;
        std::vector<CredentialQuota> quotas;
    } desk;
    Pool pool;
    pool.pool->share_credentials(desk);
    pool.start(R"(say {"type": "permits", "credential": "c", "connection": "crm", "rate": 2, "count": 3})", "extract");
    pool.until([&] { return pool.listener.events.size() == 1; });
    CHECK(desk.asked.at(0).rate == 2);
    const auto grant = Json::parse(pool.listener.events[0].message).get<PermitGrant>();
    CHECK(grant.credential == "c");
    CHECK(grant.count == 3);
    pool.start(R"(say {"type": "pause", "credential": "c", "connection": "crm", "seconds": 9})", "extract");
    pool.start(R"(say {"type": "quota", "credential": "c", "connection": "crm", "left": 4})", "extract");
    pool.until([&] { return desk.pauses.size() == 1 && desk.quotas.size() == 1; });
    CHECK(desk.pauses[0].seconds == 9);
    CHECK(desk.quotas[0].left == 4);
    pool.pool->tell_pause(desk.pauses[0]);
    pool.until([&] { return pool.listener.events.size() == 2; });
    CHECK(pool.listener.events[1].kind == "pause");
}
