// Slots: the units of limits. Who holds which is a matter of single rows, so that claims need no lock of a whole limit.
#include "scheduler/store/slots.hpp"

#include "flows/error.hpp"
#include "scheduler/store/array_text.hpp"
#include "scheduler/store/store.hpp"

#include <fmt/format.h>

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

// What a run of a plan may hold at once at least: its own slots, and those of its most demanding task.
constexpr const char* slots_in_demand = R"sql(
    with p as (
        select hash, plan from millrace.plan
         where hash in (select plan_hash from millrace.flow where not archived union select plan_hash from millrace.run where finished_at is null and id >= $1)),
    demand as (
        select hash, d ->> 'key' as key, (d ->> 'slots')::int as own, 0 as task from p, jsonb_array_elements(plan -> 'limits') d
        union all
        select hash, d ->> 'key', 0, (d ->> 'slots')::int
          from p, jsonb_array_elements(plan -> 'tasks') t, jsonb_array_elements(t -> 'limits') d)
    select key, max(slots) from (select hash, key, max(own) + max(task) as slots from demand group by hash, key) each group by key)sql";

constexpr const char* other_nodes_live = "select exists (select from millrace.node where id <> $1 and lease_until > clock_timestamp())";
constexpr const char* limits_in_force = "select key, count(*) from millrace.slot where not retired group by key";

/// Limits that there are stay, but for what is demanded; returns those that were wanted otherwise.
Limits yield_to_others(pqxx::work& w, Limits& limits, const Limits& demands) {
    Limits others;
    for (const auto& row : w.exec_prepared("limits_in_force")) {
        const std::string key = row[0].c_str();
        const auto demand = demands.find(key);
        const auto wanted = limits.find(key);
        const int stays = std::max(row[1].as<int>(), demand == demands.end() ? 0 : demand->second);
        if (wanted == limits.end() || wanted->second != stays) others[key] = limits[key] = stays;
    }
    return others;
}

} // namespace

PutLimits put_limits(pqxx::work& w, Limits limits, std::int64_t live_from, const std::string& starting) {
    PutLimits put;
    Limits demands;
    for (const auto& row : w.exec_prepared("slots_in_demand", live_from)) {
        const std::string key = row[0].c_str();
        const int demand = demands[key] = row[1].as<int>();
        if (limits[key] < demand) limits[key] = put.kept[key] = demand;
    }
    if (!starting.empty() && w.exec_prepared1("other_nodes_live", starting)[0].as<bool>()) put.others = yield_to_others(w, limits, demands);
    ArrayText keys, slots;
    for (const auto& [key, number] : limits) keys.add_text(key), slots.add(number);
    const auto key_list = keys.take(), slot_list = slots.take();
    w.exec_prepared("add_slots", key_list, slot_list);
    w.exec_prepared("retire_slots", key_list, slot_list);
    w.exec_prepared("remove_slots");
    w.exec_prepared("forget_waits");
    w.exec_prepared("forget_credentials");
    return put;
}

boost::asio::awaitable<PutLimits> Store::set_limits(Limits limits, std::string starting) {
    return database_.run([limits = std::move(limits), starting = std::move(starting), from = database_.live_from()](pqxx::work& w) {
        return put_limits(w, limits, from, starting);
    });
}

// Keys are claimed in alphabetical order, and a locked row is passed over, so that two claims never wait for each other.
// Two statements: a slot that another claim took between the snapshot of the first and its lock may still look free to it (a
// row is looked at again, joined tables are not); the second one sees the locked rows as they are.
// What the claimer holds already counts: a claim whose answer was lost is made again. One that arrives after the end of its
// task takes nothing, for nobody would release it.
// For each retired slot that is still held a free one is left alone, and those for which another node has waited for long, longer
// than this one: who frees a slot is there first, and would have it again and again. The rows that `offset` leaves are locked like those
// that it gives, so that two claims cannot both take the last one.
constexpr const char* lock_slots = R"sql(
    select number from millrace.slot s
     where key = $1
       and ((not retired and (epoch is null or epoch <> all (array(select n.epoch from millrace.node n))))
            or (epoch = $3::uuid and run_id = $4 and task = $5 and item = $6))
       and not exists (select from millrace.run r where r.id = $4 and r.finished_at is not null)
       and not exists (select from millrace.task_run t where t.run_id = $4 and t.task = $5 and t.item = $6 and t.finished_at is not null)
     order by (epoch = $3::uuid and run_id = $4 and task = $5 and item = $6) is true desc, number
    offset (select case when bool_or(h.epoch = $3::uuid and h.run_id = $4 and h.task = $5 and h.item = $6) then 0
                        else count(*) filter (where h.retired and h.epoch = any (array(select n.epoch from millrace.node n)))
                             + (select coalesce(sum(w.slots), 0) from millrace.slot_wait w
                                 where w.key = $1 and w.epoch <> $3::uuid
                                   and w.asked_at > clock_timestamp() - interval '3 s' and w.since < clock_timestamp() - interval '2 s'
                                   and w.since < coalesce((select o.since from millrace.slot_wait o
                                                            where o.key = $1 and o.epoch = $3::uuid), clock_timestamp())) end
              from millrace.slot h where h.key = $1)
     limit $2 for update skip locked)sql";
constexpr const char* claim_slots = R"sql(
    with served as (delete from millrace.slot_wait where key = $1 and epoch = $3::uuid)
    update millrace.slot s set epoch = $3::uuid, run_id = $4, task = $5, item = $6, since = $7
     where key = $1 and number = any ($2::int[])
       and (not exists (select from millrace.node n where n.epoch = s.epoch)
            or (epoch = $3::uuid and run_id = $4 and task = $5 and item = $6)))sql";

// All or none. Not by a savepoint: libpqxx 6 sets that of a subtransaction at its first exec(), and never for prepared statements.
constexpr const char* unclaim_slots = R"sql(
    update millrace.slot set epoch = null, run_id = null, task = null, item = null, since = null
     where key = $1 and epoch = $2::uuid and run_id = $3 and task = $4 and item = $5)sql";

// Where there is nobody else, nobody has to know.
constexpr const char* wait_for_slots = R"sql(
    insert into millrace.slot_wait as w (key, epoch, slots, since, asked_at)
    select $1::text, $2::uuid, $3::int, clock_timestamp(), clock_timestamp()
     where exists (select from millrace.node n where n.epoch <> $2::uuid and n.lease_until > clock_timestamp())
    on conflict (key, epoch) do update set slots = excluded.slots, asked_at = excluded.asked_at)sql";
constexpr const char* forget_waits = R"sql(
    delete from millrace.slot_wait w where asked_at < clock_timestamp() - interval '1 hour')sql";
constexpr const char* slot_holders = R"sql(
    select s.run_id, case when s.task >= 0 then p.plan -> 'tasks' -> s.task ->> 'name' end, count(*) over ()
      from millrace.slot s join millrace.node n on n.epoch = s.epoch
      left join millrace.run r on r.id = s.run_id left join millrace.plan p on p.hash = r.plan_hash
     where s.key = $1 order by s.since, s.number limit 3)sql";

// How many there are, and how many of them the run itself holds as long as its tasks live.
constexpr const char* slots_within_reach = R"sql(
    select count(*) filter (where not retired),
           count(*) filter (where epoch = $2::uuid and run_id = $3 and task = -1 and $4::int <> -1) from millrace.slot where key = $1)sql";

namespace {

/// Nothing: waiting helps.
std::optional<OrderError> beyond_reach(pqxx::transaction_base& w, const std::string& epoch, std::int64_t run_id, TaskKey key,
                                       const SlotDemand& demand) {
    const auto row = w.exec_prepared1("slots_within_reach", demand.key, epoch, run_id, key.task);
    const int slots = row[0].as<int>(), of_the_run = row[1].as<int>(), needed = of_the_run + demand.slots;
    if (slots >= needed) return std::nullopt;
    OrderError error;
    error.error_class = to_string(ErrorClass::Permanent);
    error.message =
        fmt::format("the limit '{}' has {}, and needed are {}{}", demand.key, slots == 0 ? "no slots" : fmt::format("only {}", slots),
                    needed, of_the_run > 0 ? fmt::format(", {} by the run itself", of_the_run) : "");
    error.remedy = fmt::format("write {}: {} or more under `limits:` in millrace.yaml, then: millrace deploy; or take it out of the flow",
                               demand.key, needed);
    return error;
}

/// "run 12 (load) has it"; empty: it is left for another node.
std::string holders_of(pqxx::transaction_base& w, const std::string& key) {
    std::string text;
    long all = 0, named = 0;
    for (const auto& row : w.exec_prepared("slot_holders", key)) {
        all = row[2].as<long>();
        text += fmt::format("{}run {}{}", named++ > 0 ? ", " : "", row[0].c_str(),
                            row[1].is_null() ? "" : fmt::format(" ({})", row[1].c_str()));
    }
    if (all == 0) return text;
    if (all > named) text += fmt::format(" and {} more", all - named);
    return text + (all == 1 ? " has it" : " have it");
}

} // namespace

boost::asio::awaitable<SlotClaim> Store::claim_slots(std::string epoch, std::int64_t run_id, TaskKey key, std::vector<SlotDemand> demands,
                                                     Instant now) {
    std::sort(demands.begin(), demands.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
    return database_.run([=](pqxx::work& w) {
        const auto refused = [&](const SlotDemand& d) {
            SlotClaim answer{false, beyond_reach(w, epoch, run_id, key, d), d.key, {}};
            if (answer.never) return answer;
            w.exec_prepared("wait_for_slots", d.key, epoch, d.slots);
            answer.holders = holders_of(w, d.key);
            return answer;
        };
        std::vector<std::string> numbers;
        for (const auto& d : demands) {
            const auto rows = w.exec_prepared("lock_slots", d.key, d.slots, epoch, run_id, key.task, key.item);
            if (static_cast<int>(rows.size()) < d.slots) return refused(d);
            ArrayText list;
            for (const auto& row : rows) list.add(row[0].as<std::int64_t>());
            numbers.push_back(list.take());
        }
        for (std::size_t i = 0; i < demands.size(); ++i) {
            const auto& d = demands[i];
            const auto got = w.exec_prepared("claim_slots", d.key, numbers[i], epoch, run_id, key.task, key.item, timestamp_text(now));
            if (static_cast<int>(got.affected_rows()) >= d.slots) continue;
            for (const auto& claimed : demands) w.exec_prepared("unclaim_slots", claimed.key, epoch, run_id, key.task, key.item);
            return refused(d);
        }
        return SlotClaim{true, {}, {}, {}};
    });
}

const std::vector<Statement>& slot_statements() {
    static const std::vector<Statement> all{
        {"slots_in_demand", slots_in_demand},
        {"other_nodes_live", other_nodes_live},
        {"limits_in_force", limits_in_force},
        {"add_slots", add_slots},
        {"retire_slots", retire_slots},
        {"remove_slots", remove_slots},
        {"lock_slots", lock_slots},
        {"claim_slots", claim_slots},
        {"unclaim_slots", unclaim_slots},
        {"wait_for_slots", wait_for_slots},
        {"forget_waits", forget_waits},
        {"slot_holders", slot_holders},
        {"slots_within_reach", slots_within_reach},
    };
    return all;
}

} // namespace millrace
