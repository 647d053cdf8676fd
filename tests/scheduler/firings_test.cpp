// Who fires an instant: what the journal does when another has done it, in a commit with other things.
#include "journal_desk.hpp"

using namespace millrace;
using namespace millrace::test;

namespace {

RunChanges firing_run(Desk& desk, std::int64_t id, int minute) {
    auto changes = desk.new_run(id);
    FiringRow firing;
    firing.flow = "f";
    firing.nominal = desk.now + std::chrono::minutes(minute);
    firing.next_at = firing.nominal + std::chrono::minutes(1);
    changes.firing = firing;
    return changes;
}

RunChanges chunk_of(Desk& desk, std::int64_t parent, std::int64_t id) {
    auto changes = desk.new_run(id);
    changes.new_run->parent_id = parent;
    changes.new_run->chunk_number = 1;
    changes.new_run->chunk_of = 2;
    return changes;
}

void another_fires(Desk& desk, int minute) {
    told(desk.database.url(),
         "insert into millrace.firing values ('f', 0, '" + to_rfc3339(desk.now + std::chrono::minutes(minute)) + "', '', 1000)");
}

} // namespace

TEST_CASE("a firing that another made is refused alone among what is committed with it") {
    const bool then_refused = GENERATE(false, true); // by a row that makes PostgreSQL refuse the whole commit first
    Desk desk;
    another_fires(desk, 2);
    std::optional<Gate> gate(desk);
    for (std::int64_t id = 1; id <= 4; ++id) desk.journal->submit(firing_run(desk, id, static_cast<int>(id)));
    desk.journal->submit(desk.finished(2));
    desk.journal->submit(desk.finished(3));
    desk.journal->submit(desk.new_run(5));
    if (then_refused) desk.journal->submit(desk.bad_run(6));
    gate.reset();
    desk.until_answered(then_refused ? 8 : 7);
    CHECK(desk.stored() == Ids{1, 3, 4, 5});
    auto refused = desk.refused;
    std::sort(refused.begin(), refused.end());
    CHECK(refused == (then_refused ? Ids{2, 2, 6} : Ids{2, 2}));
    CHECK(desk.asked("select count(*) from millrace.firing where run_id < 1000") == "3");
    desk.journal->submit(desk.finished(2)); // what comes later of it is not written either
    const auto before = desk.refused.size();
    desk.until([&] { return desk.refused.size() > before; });
}

TEST_CASE("the same instant twice in one commit is one run") {
    Desk desk;
    std::optional<Gate> gate(desk);
    desk.journal->submit(firing_run(desk, 1, 1));
    desk.journal->submit(firing_run(desk, 2, 1));
    gate.reset();
    desk.until_answered(2);
    CHECK(desk.stored() == Ids{1});
    CHECK(desk.refused == Ids{2});
    CHECK(desk.sqlstates == std::vector<std::string>{fired_by_another_node});
}

TEST_CASE("a run in chunks that another fired leaves no chunk behind") {
    const bool together = GENERATE(true, false);
    Desk desk;
    another_fires(desk, 1);
    std::optional<Gate> gate(desk);
    desk.journal->submit(firing_run(desk, 1, 1));
    if (!together) {
        gate.reset();
        desk.until_answered(1);
        gate.emplace(desk);
    }
    desk.journal->submit(chunk_of(desk, 1, 2));
    desk.journal->submit(desk.finished(2));
    gate.reset();
    desk.until_answered(3);
    CHECK(desk.stored().empty());
    CHECK(desk.refused == Ids{1, 2, 2});
}

TEST_CASE("an instant that makes no run is told once") {
    Desk desk;
    another_fires(desk, 1);
    std::optional<Gate> gate(desk);
    for (const int minute : {1, 2}) {
        auto told = desk.changes_of(0);
        told.firing = firing_run(desk, 0, minute).firing;
        EventRow event;
        event.at = desk.now;
        event.flow = "f";
        event.kind = "not_fired";
        event.message = std::to_string(minute);
        told.events.push_back(std::move(event));
        desk.journal->submit(std::move(told));
    }
    gate.reset();
    desk.until_answered(2);
    CHECK(desk.asked("select string_agg(message, ' ') from millrace.event") == "2");
}
