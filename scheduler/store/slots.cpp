// Slots: the units of limits. Who holds which is a matter of single rows, so that claims need no lock of a whole limit.
#include "scheduler/store/slots.hpp"

#include "scheduler/store/array_text.hpp"
#include "scheduler/store/store.hpp"

#include <algorithm>

namespace millrace {
namespace {

constexpr const char* add_slots = R"sql(
    insert into millrace.slot (key, number)
    select key, generate_series(1, slots) from unnest($1::text[], $2::int[]) as u(key, slots) on conflict do nothing)sql";
constexpr const char* retire_slots = R"sql(
    update millrace.slot s set retired = not s.retired
     where s.retired = exists (select from unnest($1::text[], $2::int[]) as u(key, slots) where u.key = s.key and s.number <= u.slots))sql";
constexpr const char* remove_slots = R"sql(
    delete from millrace.slot s where retired and not exists (select from millrace.node n where n.epoch = s.epoch))sql";

} // namespace

void put_limits(pqxx::work& w, const Limits& limits) {
    ArrayText keys, slots;
    for (const auto& [key, number] : limits) keys.add_text(key), slots.add(number);
    const auto key_list = keys.take(), slot_list = slots.take();
    w.exec_prepared("add_slots", key_list, slot_list);
    w.exec_prepared("retire_slots", key_list, slot_list);
    w.exec_prepared("remove_slots");
}

boost::asio::awaitable<void> Store::set_limits(Limits limits) {
    return database_.run([limits = std::move(limits)](pqxx::work& w) { put_limits(w, limits); });
}

// Keys are claimed in alphabetical order, and a locked row is passed over, so that two claims never wait for each other.
// Two statements: a slot that another claim took between the snapshot of the first and its lock may still look free to it (a
// row is looked at again, joined tables are not); the second one sees the locked rows as they are.
// What the claimer holds already counts: a claim whose answer was lost is made again. One that arrives after the end of its
// task takes nothing, for nobody would release it.
// For each retired slot that is still held a free one is left alone. The rows that `offset` leaves are locked like those that
// it gives, so that two claims cannot both take the last one.
constexpr const char* lock_slots = R"sql(
    select number from millrace.slot s
     where key = $1
       and ((not retired and (epoch is null or epoch <> all (array(select n.epoch from millrace.node n))))
            or (epoch = $3::uuid and run_id = $4 and task = $5 and item = $6))
       and not exists (select from millrace.run r where r.id = $4 and r.finished_at is not null)
       and not exists (select from millrace.task_run t where t.run_id = $4 and t.task = $5 and t.item = $6 and t.finished_at is not null)
     order by (epoch = $3::uuid and run_id = $4 and task = $5 and item = $6) is true desc, number
    offset (select case when bool_or(h.epoch = $3::uuid and h.run_id = $4 and h.task = $5 and h.item = $6) then 0
                        else count(*) filter (where h.retired and h.epoch = any (array(select n.epoch from millrace.node n))) end
              from millrace.slot h where h.key = $1)
     limit $2 for update skip locked)sql";
constexpr const char* claim_slots = R"sql(
    update millrace.slot s set epoch = $3::uuid, run_id = $4, task = $5, item = $6, since = $7
     where key = $1 and number = any ($2::int[])
       and (not exists (select from millrace.node n where n.epoch = s.epoch)
            or (epoch = $3::uuid and run_id = $4 and task = $5 and item = $6)))sql";

boost::asio::awaitable<bool> Store::claim_slots(std::string epoch, std::int64_t run_id, TaskKey key, std::vector<SlotDemand> demands,
                                                Instant now) {
    std::sort(demands.begin(), demands.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
    return database_.run([=](pqxx::work& w) {
        pqxx::subtransaction all(w);
        for (const auto& d : demands) {
            ArrayText numbers;
            for (const auto& row : all.exec_prepared("lock_slots", d.key, d.slots, epoch, run_id, key.task, key.item))
                numbers.add(row[0].as<std::int64_t>());
            const auto got =
                all.exec_prepared("claim_slots", d.key, numbers.take(), epoch, run_id, key.task, key.item, timestamp_text(now));
            if (static_cast<int>(got.affected_rows()) < d.slots) return all.abort(), false;
        }
        all.commit();
        return true;
    });
}

const std::vector<Statement>& slot_statements() {
    static const std::vector<Statement> all{
        {"add_slots", add_slots},   {"retire_slots", retire_slots}, {"remove_slots", remove_slots},
        {"lock_slots", lock_slots}, {"claim_slots", claim_slots},
    };
    return all;
}

} // namespace millrace
