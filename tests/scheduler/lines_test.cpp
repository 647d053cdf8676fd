// Runs of one flow on two nodes of a real PostgreSQL: whose turn it is.
#include "journal_desk.hpp"
#include "life.hpp"

using namespace millrace;
using namespace millrace::test;
using namespace std::chrono_literals;

namespace {

/// The desk's node and a second one.
struct TwoDesks : Desk {
    TwoDesks() {
        NodeIdentity node;
        node.id = "m";
        node.epoch =
            asked("insert into millrace.node values ('m', gen_random_uuid(), now() + interval '1 h', 0, now(), '', 1) returning epoch");
        auto elsewhere = [] { return std::int64_t{0}; };
        other = std::make_unique<PgJournal>(io, database.url(), node, elsewhere, [this](const std::optional<Return>&) { ++ended; });
    }
    /// The row of a run created so many seconds after the others, which has not begun.
    RunChanges pending(std::int64_t id, int seconds = 0) {
        auto changes = changes_of(id);
        changes.new_run = new_run(id).new_run;
        changes.new_run->state = State::Pending;
        changes.new_run->created_at = now + std::chrono::seconds(seconds);
        return changes;
    }
    /// Such a run, which asks with its own row.
    std::shared_ptr<LineClaim> comes(PgJournal& on, std::int64_t id, int seconds = 0, const std::string& overlap = "queue") {
        return asks(on, pending(id, seconds), id, seconds, overlap);
    }
    std::shared_ptr<LineClaim> asks(PgJournal& on, RunChanges changes, std::int64_t id, int seconds = 0,
                                    const std::string& overlap = "queue") {
        auto claim = std::make_shared<LineClaim>(LineClaim{"f", id, now + std::chrono::seconds(seconds), overlap, {}, 0});
        changes.claims_line = claim;
        submit(on, std::move(changes));
        return claim;
    }
    RunChanges ends(std::int64_t id) {
        auto changes = changes_of(id);
        changes.run = new_run(id).new_run;
        changes.run->state = State::Completed;
        changes.run->finished_at = now;
        changes.leaves_line = "f";
        return changes;
    }
    void submit(PgJournal& on, RunChanges changes) {
        const auto answers = committed.size() + refused.size();
        on.submit(std::move(changes));
        until_answered(answers + 1);
        REQUIRE(refused.empty());
    }
    std::unique_ptr<PgJournal> other;
};

using Answer = std::pair<std::optional<bool>, std::int64_t>;
Answer answer(const std::shared_ptr<LineClaim>& claim) { return {claim->granted, claim->holder}; }
const Answer granted_to(std::int64_t run) { return {true, run}; }
const Answer denied_for(std::int64_t run) { return {false, run}; }

/// Two nodes with one flow whose task hangs.
struct TwoNodes {
    explicit TwoNodes(const std::string& overlap) {
        auto plan = plan_text("hang: run", "f");
        plan.overlap = overlap;
        a = std::make_unique<Life>(database.url(), std::vector{plan}, std::nullopt, "a");
        b = std::make_unique<Life>(database.url(), std::vector{plan}, std::nullopt, "b");
    }
    void until(const std::function<bool()>& condition) {
        for (const auto end = std::chrono::steady_clock::now() + 30s; !condition();) {
            REQUIRE(std::chrono::steady_clock::now() < end);
            turn();
        }
    }
    void turn() {
        for (auto* node : {a.get(), b.get()}) {
            if (!node) continue;
            node->io.restart();
            node->io.run_one_for(5ms);
        }
    }
    /// Of all runs, in the order of their creation; as the store has them.
    [[nodiscard]] std::string states() const {
        return asked(database.url(), "select string_agg(state, ' ' order by created_at, id) from millrace.run where flow = 'f'");
    }
    static std::size_t hanging(const std::unique_ptr<Life>& node) { return node->hosts->hanging().size(); }
    /// Asked on `node`, while the other one goes on.
    Json triggered(Life& node, TriggerResult::Outcome expected = TriggerResult::Outcome::Created) {
        std::optional<TriggerResult> result;
        asio::co_spawn(node.io, node.engine->service().trigger(Life::request("f")), [&](std::exception_ptr failed, TriggerResult given) {
            CHECK(!failed);
            result = std::move(given);
        });
        until([&] { return result.has_value(); });
        CHECK(result->outcome == expected);
        return result->run;
    }
    void end_hanging(const std::unique_ptr<Life>& node) {
        AttemptDone done;
        done.outcome = "completed";
        REQUIRE(node->hosts->end(node->hosts->hanging().at(0).id, std::move(done)));
    }

    FreshDatabase database;
    std::unique_ptr<Life> a, b;
};

} // namespace

TEST_CASE("a run has its turn until the commit of its end, and the next one is the oldest that asked, on whichever node") {
    TwoDesks desk;
    CHECK(answer(desk.comes(*desk.journal, 1)) == granted_to(1));
    CHECK(answer(desk.comes(*desk.other, 70, 3)) == denied_for(1));
    CHECK(answer(desk.comes(*desk.other, 71, 2)) == denied_for(1)); // older than 70: it is next
    CHECK(answer(desk.comes(*desk.journal, 2, 5)) == denied_for(1));
    CHECK(answer(desk.asks(*desk.journal, desk.ends(1), 2, 5)) == denied_for(71)); // with the end of the one before it
    CHECK(answer(desk.asks(*desk.other, desk.changes_of(70), 70, 3)) == denied_for(71));
    CHECK(answer(desk.asks(*desk.other, desk.changes_of(71), 71, 2)) == granted_to(71));
    CHECK(answer(desk.asks(*desk.other, desk.changes_of(71), 71, 2)) == granted_to(71)); // asked again: the answer was lost
    CHECK(answer(desk.asks(*desk.other, desk.ends(71), 70, 3)) == granted_to(70));
    desk.submit(*desk.other, desk.ends(70));
    CHECK(desk.asked("select run_id is null from millrace.line") == "t");
    CHECK(answer(desk.asks(*desk.journal, desk.changes_of(2), 2, 5)) == granted_to(2));
}

TEST_CASE("who asks no more keeps nobody waiting") {
    TwoDesks desk;
    (void)desk.comes(*desk.journal, 1);
    CHECK(answer(desk.comes(*desk.other, 70)) == denied_for(1));
    CHECK(answer(desk.comes(*desk.journal, 2, 5)) == denied_for(1));
    CHECK(answer(desk.asks(*desk.journal, desk.ends(1), 2, 5)) == denied_for(70));
    told(desk.database.url(), "update millrace.line set next_asked_at = next_asked_at - interval '6 s'");
    CHECK(answer(desk.asks(*desk.journal, desk.changes_of(2), 2, 5)) == granted_to(2));
}

TEST_CASE("a run that may be skipped has no turn beside one that came before it, though that has not asked") {
    TwoDesks desk;
    desk.submit(*desk.other, desk.pending(70));
    CHECK(answer(desk.comes(*desk.journal, 1, 5, "skip")).first == std::optional(false));
    desk.submit(*desk.other, desk.ends(70));
    CHECK(answer(desk.comes(*desk.journal, 2, 5, "skip")).first == std::optional(false)); // run 1 has not ended
    desk.submit(*desk.journal, desk.ends(1));
    CHECK(answer(desk.asks(*desk.journal, desk.changes_of(2), 2, 5, "skip")) == granted_to(2));
}

TEST_CASE("runs of settled periods are not looked for, as all of them have ended") {
    TwoDesks desk;
    desk.submit(*desk.other, desk.pending(70));
    told(desk.database.url(), "select millrace.add_period(1025, 2049); update millrace.period set settled = true where first = 1");
    CHECK(answer(desk.comes(*desk.journal, 1025, 5, "skip")) == granted_to(1025));
    CHECK(answer(desk.comes(*desk.other, 1026, 6)) == denied_for(1025));
    (void)desk.comes(*desk.journal, 1027, 7, "cancel_previous");
    CHECK(desk.asked("select string_agg(run_id::text, ' ') from millrace.request") == "1026");
}

TEST_CASE("a new run takes the place of one of a node whose clock is ahead") {
    TwoDesks desk;
    const auto passed = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now() - desk.now);
    (void)desk.comes(*desk.other, 70, static_cast<int>(passed.count()) + 60);
    (void)desk.comes(*desk.journal, 71, static_cast<int>(passed.count()), "cancel_previous");
    CHECK(desk.asked("select string_agg(run_id::text, ' ') from millrace.request") == "70");
}

TEST_CASE("a run whose row is not taken has no turn") {
    TwoDesks desk;
    auto bad = desk.bad_run(1);
    bad.claims_line = std::make_shared<LineClaim>(LineClaim{"f", 1, desk.now, "queue", {}, 0});
    const auto claim = bad.claims_line;
    desk.journal->submit(std::move(bad));
    desk.until_answered(1);
    CHECK(desk.refused == Ids{1});
    CHECK(!claim->granted);
    desk.refused.clear();
    CHECK(answer(desk.comes(*desk.other, 70)) == granted_to(70));
}

TEST_CASE("two nodes run one flow one run at a time") {
    TwoNodes nodes("queue");
    (void)nodes.triggered(*nodes.a);
    nodes.until([&] { return TwoNodes::hanging(nodes.a) == 1; });
    const auto first = nodes.a->runs("f")[0].at("id").get<std::int64_t>();
    const auto second = nodes.triggered(*nodes.b).at("id").get<std::int64_t>();
    nodes.until([&] { return nodes.b->run(second).at("state_name") == "Queued"; });
    CHECK(nodes.b->run(second).at("message") == "waits for run " + std::to_string(first));
    (void)nodes.triggered(*nodes.a); // it came later
    nodes.end_hanging(nodes.a);
    nodes.until([&] { return TwoNodes::hanging(nodes.b) == 1; });
    CHECK(nodes.states() == "completed running pending");
    nodes.end_hanging(nodes.b);
    nodes.until([&] { return TwoNodes::hanging(nodes.a) == 1; });
    CHECK(nodes.states() == "completed completed running");
}

TEST_CASE("a run is skipped for one of another node") {
    TwoNodes nodes("skip");
    (void)nodes.triggered(*nodes.a);
    nodes.until([&] { return TwoNodes::hanging(nodes.a) == 1; });
    const auto skipped = nodes.triggered(*nodes.b, TriggerResult::Outcome::Skipped);
    CHECK_THAT(skipped.at("message"), Catch::Contains("of this flow is still active"));
    nodes.end_hanging(nodes.a);
    nodes.until([&] { return nodes.states() == "completed skipped"; });
    (void)nodes.triggered(*nodes.b);
    nodes.until([&] { return TwoNodes::hanging(nodes.b) == 1; });
}

TEST_CASE("a run takes the place of those of another node, under way and queued") {
    TwoNodes nodes("cancel_previous");
    (void)nodes.triggered(*nodes.a);
    nodes.until([&] { return TwoNodes::hanging(nodes.a) == 1; });
    const auto id = nodes.triggered(*nodes.b).at("id").get<std::int64_t>();
    nodes.until([&] { return TwoNodes::hanging(nodes.b) == 1; });
    CHECK(nodes.states() == "cancelled running");
    const Json first = nodes.a->runs("f")[0];
    CHECK(first.at("message") == "cancelled by run " + std::to_string(id) + ", which takes its place");
}

TEST_CASE("a run keeps its turn when another node takes it over") {
    TwoNodes nodes("queue");
    (void)nodes.triggered(*nodes.a);
    nodes.until([&] { return TwoNodes::hanging(nodes.a) == 1; });
    const auto second = nodes.triggered(*nodes.b).at("id").get<std::int64_t>();
    nodes.until([&] { return nodes.b->run(second).at("state_name") == "Queued"; });
    nodes.a.reset(); // as it dies, without a word
    told(nodes.database.url(), "update millrace.node set lease_until = clock_timestamp() - interval '1 s' where id = 'a'");
    nodes.until([&] { return TwoNodes::hanging(nodes.b) == 1; });
    CHECK(nodes.states() == "running pending");
    nodes.end_hanging(nodes.b);
    nodes.until([&] { return nodes.states() == "completed running"; });
}
