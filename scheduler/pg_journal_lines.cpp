// Lines: which run of a flow may go on whose runs wait for each other. A row of the flow names it; it is written by the commit that ends
// the one and asks for the next, so that nobody can have it who is not live, and nobody has it twice.
#include "scheduler/pg_journal_statements.hpp"

#include "scheduler/store/array_text.hpp"

#include <algorithm>
#include <cstring>
#include <map>

namespace millrace {
namespace {

constexpr const char* move = "move_lines";
constexpr const char* move_if_alone = "move_lines_if_alone";

struct Move {
    std::vector<std::int64_t> leaving;
    const LineClaim* asks = nullptr;
};

/// Who ends in this group does not ask; of those who do, the last one.
std::map<std::string, Move> moves_of(std::span<const RunChanges> group) {
    std::map<std::string, Move> moves;
    for (const auto& changes : group) {
        if (!changes.leaves_line.empty()) moves[changes.leaves_line].leaving.push_back(changes.run_id);
        if (const auto& claim = changes.claims_line) moves[claim->flow].asks = claim.get();
    }
    for (auto& [flow, m] : moves)
        if (m.asks && std::find(m.leaving.begin(), m.leaving.end(), m.asks->run_id) != m.leaving.end()) m.asks = nullptr;
    return moves;
}

struct MoveArrays {
    ArrayText flow, leaving, run, created;
    bool any = false;

    void add(const std::string& name, const Move& m) {
        any = true;
        flow.add_text(name);
        ArrayText ids;
        for (const auto id : m.leaving) ids.add(id);
        leaving.add_text(ids.take());
        if (m.asks)
            run.add(m.asks->run_id), created.add_instant(m.asks->created_at);
        else
            run.add_null(), created.add_null();
    }
};

} // namespace

/// Last of all that the group locks, flow by flow in their order: so no two nodes wait for each other.
void write_lines(GroupCalls& out, std::span<const RunChanges> group, const std::string& epoch) {
    const auto moves = moves_of(group);
    if (moves.empty()) return;
    ArrayText all, asked, asks_flow, asks_run, asks_created;
    MoveArrays each, alone;
    bool any_asks = false, any_cancels = false;
    for (const auto& [flow, m] : moves) {
        all.add_text(flow);
        (m.asks && m.asks->overlap == "skip" ? alone : each).add(flow, m);
        if (!m.asks) continue;
        any_asks = true;
        asked.add_text(flow);
        if (m.asks->overlap != "cancel_previous") continue;
        any_cancels = true;
        asks_flow.add_text(flow), asks_run.add(m.asks->run_id), asks_created.add_instant(m.asks->created_at);
    }
    if (any_asks) out.add("make_lines", asked.take());
    out.add("lock_lines", all.take());
    if (each.any) out.add(move, each.flow.take(), each.leaving.take(), each.run.take(), each.created.take());
    if (alone.any) out.add(move_if_alone, alone.flow.take(), alone.leaving.take(), alone.run.take(), alone.created.take());
    if (any_cancels) out.add("cancel_previous", asks_flow.take(), asks_run.take(), asks_created.take(), epoch);
}

void tell_lines(std::span<RunChanges> group, std::span<const StatementCall> calls, std::span<const PgResult> answers) {
    std::map<std::int64_t, std::pair<bool, std::int64_t>> told; // by run: granted, holder
    for (std::size_t i = 0; i < calls.size(); ++i) {
        if (std::strcmp(calls[i].name, move) != 0 && std::strcmp(calls[i].name, move_if_alone) != 0) continue;
        const auto* rows = answers[i].get();
        for (int row = 0; row < PQntuples(rows); ++row)
            told[std::stoll(PQgetvalue(rows, row, 0))] = {*PQgetvalue(rows, row, 1) == 't', std::stoll(PQgetvalue(rows, row, 2))};
    }
    for (auto& changes : group) {
        if (!changes.claims_line) continue;
        const auto answer = told.find(changes.claims_line->run_id);
        if (answer == told.end()) continue;
        changes.claims_line->granted = answer->second.first;
        changes.claims_line->holder = answer->second.second;
    }
}

// ---- SQL ------------------------------------------------------------------------------------------------------------

namespace {

constexpr const char* make_lines = "insert into millrace.line (flow) select * from unnest($1::text[]) on conflict do nothing";
constexpr const char* lock_lines = "select from millrace.line where flow = any ($1::text[]) order by flow for update";

// The rows are locked by the statement before, so that they are read here as they are. `@first` says whether nobody else comes first;
// `materialized`, or it would be computed again wherever it is used, and it may look for runs. Who asks in vain is noted, the oldest of all
// nodes, and is the next: each asks again every second.
constexpr const char* move_lines = R"sql(
    with was as (
        select u.flow, u.run_id as asks, u.created_at,
               case when l.run_id <> all (u.leaving::bigint[]) then l.run_id end as held,
               case when l.next_run <> all (u.leaving::bigint[]) and l.next_asked_at > clock_timestamp() - interval '5 s' then l.next_run end as next_run,
               l.next_created_at
          from unnest($1::text[], $2::text[], $3::bigint[], $4::timestamptz[]) as u(flow, leaving, run_id, created_at)
          join millrace.line l on l.flow = u.flow),
    judged as materialized (
        select w.*, asks is not null and @first as is_first from was w),
    moved as (
        select j.*, coalesce(held = asks, false) or (held is null and is_first) as granted from judged j)
    update millrace.line l
       set run_id = case when granted then asks else held end,
           next_run = case when granted then nullif(m.next_run, asks) when is_first then asks else m.next_run end,
           next_created_at = case when is_first and not granted then m.created_at else m.next_created_at end,
           next_asked_at = case when is_first and not granted then clock_timestamp() else l.next_asked_at end
      from moved m where l.flow = m.flow
    returning coalesce(asks, 0), granted, coalesce(l.run_id, l.next_run, 0))sql";
constexpr const char* is_oldest = "(w.next_run is null or w.next_run = asks or (w.created_at, asks) < (w.next_created_at, w.next_run))";
// For who does not wait: also those count that wait on their nodes and have not asked yet.
constexpr const char* is_alone = R"sql((held is null and (w.next_run is null or w.next_run = asks)
            and not exists (select from millrace.run r
                             where r.flow = w.flow and r.finished_at is null and r.id >= (@live_from)
                               and r.parent_id is null and not r.options ? 'backfill'
                               and (r.created_at, r.id) < (w.created_at, asks))))sql";

// Once for each of them. Runs of this node are cancelled here; those that came at the same time, by one order only. Whose clock was ahead,
// or was set back since, has the order of the numbers, which are right to a few seconds (run_id_block.hpp).
constexpr const char* cancel_previous = R"sql(
    insert into millrace.request (run_id, what, task, comment, by, asked_at)
    select r.id, 'cancel', '', '', 'run ' || u.run_id || ', which takes its place', clock_timestamp()
      from unnest($1::text[], $2::bigint[], $3::timestamptz[]) as u(flow, run_id, created_at)
      join millrace.run r on r.flow = u.flow and r.finished_at is null and r.id >= (@live_from)
                         and r.parent_id is null and not r.options ? 'backfill'
     where r.epoch <> $4::uuid and r.state <> 'cancelling'
       and case when greatest(r.created_at, u.created_at) > clock_timestamp() + interval '1 s' then r.id < u.run_id
                else (r.created_at, r.id) < (u.created_at, u.run_id) end
       and not exists (select from millrace.request q where q.run_id = r.id and q.by = 'run ' || u.run_id || ', which takes its place'))sql";

std::string with(std::string sql, std::string_view name, std::string_view text) { return sql.replace(sql.find(name), name.size(), text); }

} // namespace

const std::vector<Statement>& line_statements() {
    static const std::string each = with(move_lines, "@first", is_oldest), alone = with(move_lines, "@first", of_live(is_alone)),
                             cancel = of_live(cancel_previous);
    static const std::vector<Statement> all{
        {"make_lines", make_lines},     {"lock_lines", lock_lines},          {move, each.c_str()},
        {move_if_alone, alone.c_str()}, {"cancel_previous", cancel.c_str()},
    };
    return all;
}

} // namespace millrace
