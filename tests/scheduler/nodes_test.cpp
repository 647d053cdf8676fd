// Several nodes of one store, over a real PostgreSQL.
#include "life.hpp"
#include "scheduler/run_id_block.hpp"
#include "scheduler/store/migrate.hpp"

using namespace millrace;
using test::FreshDatabase;
using test::Life;
using test::plan_text;
namespace asio = boost::asio;

namespace {

constexpr Instant noon{std::chrono::days(20000) + std::chrono::hours(12)};

/// What a node has of run ids, over a store.
struct Numbers {
    explicit Numbers(const std::string& url) : database(url, 1, store_statements()) {}
    template <class T>
    T wait(asio::awaitable<T> work) {
        std::optional<T> result;
        asio::co_spawn(io, std::move(work), [&](std::exception_ptr failed, T value) {
            REQUIRE(!failed);
            result = std::move(value);
        });
        test::run_until(io, [&] { return result.has_value(); });
        return *result;
    }
    std::int64_t take() {
        std::int64_t id = 0;
        test::run_until(io, [&] { return (id = ids.take()) != 0; });
        return id;
    }
    void look() { ids.see_newest(wait(store.newest_run_ids())); }

    asio::io_context io;
    Database database;
    Store store{database};
    RunIdBlock ids{io, store};
};

} // namespace

TEST_CASE("a node gives up the run ids that it has when another has newer ones; a node that rests takes no others for that") {
    FreshDatabase database;
    migrate(database.url());
    Numbers one(database.url()), two(database.url());
    CHECK(one.take() == 1);
    one.look();
    CHECK(one.take() == 2); // nobody has newer ones
    CHECK(two.take() == 65);
    for (int i = 0; i < 3; ++i) one.look(), two.look();
    CHECK(two.take() == 66);
    CHECK(two.wait(two.store.newest_run_ids()) == 65);
    CHECK(one.take() == 129); // a block like any other, though none was left
    for (int i = 0; i < 3; ++i) one.look();
    CHECK(one.take() == 130);
    CHECK(two.wait(two.store.newest_run_ids()) == 129);
}

TEST_CASE("a run is newer than those that other nodes began a few seconds before") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("a: run", "f")}, noon), other(database.url(), {plan_text("a: run", "f")}, {}, "other");
    const auto before = other.trigger_id("f");
    std::int64_t id = 0;
    for (int second = 0; second < 6 && id < before; ++second) {
        life.step(std::chrono::seconds(1));
        id = life.trigger_id("f");
    }
    CHECK(id > before);
    (void)life.ended(id);
    CHECK(life.runs("f").back().at("id") == id);
}

TEST_CASE("the chunks that a node begins of a run that it took over come after that run") {
    FreshDatabase database;
    auto plan = plan_text("hang: run", "chunked");
    plan.interval = test::chunked_plan().interval;
    Life other(database.url(), {plan}, {}, "other");
    auto life = std::make_unique<Life>(database.url(), std::vector{plan});
    const auto id = life->trigger_id("chunked");
    life->until([&] { return life->hosts->hanging().size() == 1; });
    life.reset();
    test::told(database.url(), "update millrace.node set lease_until = now() - interval '1 s' where id = 'test'");
    AttemptDone done;
    done.outcome = "completed";
    other.until([&] {
        if (!other.hosts->hanging().empty()) other.hosts->end(other.hosts->hanging().front().id, done);
        return !other.run(id).at("finished_at").is_null();
    });
    CHECK(other.run(id).at("chunks").size() == 3);
}
