// Whose turn it is among the runs of a flow: scheduler/pg_journal_lines.cpp over the store in memory.
#include "memory_store.hpp"

#include "scheduler/backfill.hpp"

namespace millrace::test {

void MemoryStore::move_lines(const std::vector<RunChanges>& group, Epoch epoch, Instant now, LineAnswers& answers) {
    std::map<std::string, std::pair<std::set<std::int64_t>, const LineClaim*>> moves;
    for (const auto& c : group) {
        if (!c.leaves_line.empty()) moves[c.leaves_line].first.insert(c.run_id);
        if (c.claims_line) moves[c.claims_line->flow].second = c.claims_line.get();
    }
    for (const auto& [flow, move] : moves) {
        const auto& [leaving, claim] = move;
        auto& line = lines[flow];
        if (leaving.contains(line.run_id)) line.run_id = 0;
        if (leaving.contains(line.next) || line.next_asked < now - std::chrono::seconds(5)) line.next = 0;
        if (!claim || leaving.contains(claim->run_id)) continue;
        if (!live.contains(claim->run_id)) broken("run " + std::to_string(claim->run_id) + " asks for its turn and is not live");
        const std::pair age{claim->created_at, claim->run_id};
        const bool skips = claim->overlap == "skip", unasked = line.next == 0 || line.next == claim->run_id;
        const bool first =
            skips ? line.run_id == 0 && unasked && before(*claim).empty() : unasked || age < std::pair{line.next_created, line.next};
        const bool granted = line.run_id == claim->run_id || (line.run_id == 0 && first);
        if (granted)
            line.run_id = claim->run_id, line.next = line.next == claim->run_id ? 0 : line.next;
        else if (first)
            line.next = claim->run_id, line.next_created = claim->created_at, line.next_asked = now;
        answers[claim->run_id] = {granted, line.run_id ? line.run_id : line.next};
        if (claim->overlap == "cancel_previous")
            for (const auto id : before(*claim, now))
                if (runs.at(id).epoch != epoch && runs.at(id).row.state != State::Cancelling)
                    requests.try_emplace({id, claim->run_id}, false);
    }
}

/// Who came before it and has not ended. `now`: where one of two is ahead of it, their numbers tell.
std::vector<std::int64_t> MemoryStore::before(const LineClaim& claim, std::optional<Instant> now) const {
    std::vector<std::int64_t> out;
    for (const auto id : live) {
        const auto& row = runs.at(id).row;
        const bool by_number = now && std::max(row.created_at, claim.created_at) > *now + std::chrono::seconds(1);
        const bool is_older = by_number ? id < claim.run_id : std::pair(row.created_at, id) < std::pair(claim.created_at, claim.run_id);
        if (row.flow == claim.flow && stands_in_line(row) && is_older) out.push_back(id);
    }
    return out;
}

void MemoryStore::check_turns() const {
    std::map<std::string, std::int64_t> goes_on;
    for (const auto id : live) {
        const auto& row = runs.at(id).row;
        if (row.state == State::Pending || !stands_in_line(row) || plan_of(id).overlap == "allow") continue;
        const auto [other, is_first] = goes_on.emplace(row.flow, id);
        if (!is_first)
            broken("runs " + std::to_string(other->second) + " and " + std::to_string(id) + " of " + row.flow + " go on at once");
        if (const auto line = lines.find(row.flow); line == lines.end() || line->second.run_id != id)
            broken("run " + std::to_string(id) + " of " + row.flow + " goes on out of its turn");
    }
}

} // namespace millrace::test
