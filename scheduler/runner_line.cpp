// Runs of a flow that wait for each other: one of them at a time goes on, over all nodes, as `overlap` says. Whose turn it is, the store
// knows (pg_journal_lines.cpp): a run has the turn from the commit that says so to that of its end, whichever node drives it.
//
//     first here --asks, with its own row or with the end of the one before it--> granted: begins
//           ^                                                                       |
//           +------------------------- every second <--------------- not granted ---+--> `skip`: it is skipped
#include "scheduler/backfill.hpp"
#include "scheduler/runner.hpp"

#include <algorithm>

namespace millrace {
namespace {

constexpr auto between_asks = std::chrono::seconds(1);
constexpr auto by_clocks = std::chrono::seconds(1); ///< that they may differ

std::string overlap_of(const LiveRun& run) { return run.start.catch_up ? "queue" : run.start.plan->overlap; }

} // namespace

bool Runner::takes_turns(const LiveRun& run) { return stands_in_line(run.row) && overlap_of(run) != "allow"; }

/// What asks for a run that the store does not take would have the turn for ever.
bool Runner::may_ask(const LiveRun& run) { return takes_turns(run) && run.stored && !run.begun && !run.closing && !run.asks; }

/// A new run, behind `others` of this node. `decided` is called when it is stored, and known whether it begins, waits or is skipped.
void Runner::await_turn(LiveRun& run, const std::vector<std::int64_t>& others, std::function<void()> decided) {
    if (others.empty()) {
        run.when_decided = std::move(decided);
        run.pending.claims_line = claim_line(run);
        return;
    }
    then(run, std::move(decided));
    if (overlap_of(run) == "skip") return end_skipped(run, others.front());
    run.row.state_name = "Queued";
    run.row.message = "waits for run " + std::to_string(others.back());
    (run.stored ? run.pending.run : run.pending.new_run) = run.row;
}

/// One that another daemon drove. What is under way goes first: it has the turn.
void Runner::place_in_line(const RunRow& row) {
    auto& line = by_flow_[row.flow];
    const auto age = [](const RunRow& r) { return std::pair(r.created_at, r.id); };
    const auto goes_before = [&](std::int64_t id) { return row.state != State::Pending || age(row) < age(live_.at(id).row); };
    auto place = line.end();
    while (place != line.begin() && live_.at(*std::prev(place)).row.state == State::Pending && goes_before(*std::prev(place))) --place;
    line.insert(place, row.id);
}

std::shared_ptr<LineClaim> Runner::claim_line(LiveRun& run) {
    run.asks = run.may_have_turn = true;
    LineClaim claim;
    claim.flow = run.row.flow;
    claim.run_id = run.row.id;
    claim.created_at = run.row.created_at;
    claim.overlap = overlap_of(run);
    return std::make_shared<LineClaim>(std::move(claim));
}

/// With its end; who is next here asks in the same commit.
void Runner::leave_line(LiveRun& run) {
    if (!takes_turns(run) || !run.may_have_turn) return;
    run.pending.leaves_line = run.row.flow;
    const auto at = by_flow_.find(run.row.flow);
    if (at == by_flow_.end() || at->second.size() < 2 || at->second.front() != run.row.id) return;
    if (auto* next = live(at->second[1]); next && may_ask(*next)) run.pending.claims_line = claim_line(*next);
}

/// Only a run that the store took takes the place of others.
void Runner::stored_in_line(const LiveRun& run) {
    const auto flow = run.row.flow;
    if (overlap_of(run) == "cancel_previous") cancel_previous(flow);
    ask_for_line(flow);
}

/// One that is closing is followed by the next when it has ended.
void Runner::ask_for_line(const std::string& flow) {
    const auto at = by_flow_.find(flow);
    auto* first = at == by_flow_.end() ? nullptr : live(at->second.front());
    if (!first || !may_ask(*first)) return;
    RunChanges asks;
    asks.run_id = first->row.id;
    asks.claims_line = claim_line(*first);
    asks.committed = [this, claim = asks.claims_line] { line_answered(*claim); };
    asks.refused = [this, claim = asks.claims_line](const std::string&, const std::string&) { line_not_asked(*claim); };
    journal_.submit(std::move(asks));
}

void Runner::ask_again_soon(const std::string& flow) {
    denied_.insert(flow);
    if (std::exchange(line_poll_, true)) return;
    clock_.call_after(between_asks, [this] {
        line_poll_ = false;
        for (const auto& waiting : std::exchange(denied_, {})) ask_for_line(waiting);
    });
}

void Runner::line_not_asked(const LineClaim& claim) {
    if (auto* run = live(claim.run_id)) run->asks = false;
}

void Runner::line_answered(const LineClaim& claim) {
    auto* run = live(claim.run_id);
    if (!run) return;
    run->asks = false;
    if (run->begun || run->closing) return;
    if (!claim.granted) return ask_again_soon(claim.flow);
    if (*claim.granted) {
        run->row.state_name = "Pending";
        run->row.message.clear();
        then(*run, std::exchange(run->when_decided, {}));
        begin(*run);
        if (auto* r = live(claim.run_id)) record(*r);
        return dispatch();
    }
    if (claim.overlap == "skip") {
        end_skipped(*run, claim.holder);
        return record(*run);
    }
    ask_again_soon(claim.flow);
    const auto message = claim.holder ? "waits for run " + std::to_string(claim.holder) : "waits for another run of this flow";
    if (run->row.state_name == "Queued" && run->row.message == message) return;
    run->row.state_name = "Queued";
    run->row.message = message;
    then(*run, std::exchange(run->when_decided, {}));
    record_row(*run);
}

/// Not recorded yet.
void Runner::end_skipped(LiveRun& run, std::int64_t other) {
    run.row.state = State::Skipped;
    run.row.state_name = "Overlap";
    run.row.message = (other ? "run " + std::to_string(other) : "another run") + " of this flow is still active";
    run.row.finished_at = clock_.now();
    run.row.summary = {{"counts", Json::object()}, {"loads", Json::array()}, {"warnings", run.warnings}};
    (run.pending.new_run ? run.pending.new_run : run.pending.run) = run.row;
}

/// The newest takes the place of all before it on this node; those of other nodes are asked to end by its claim. Also when runs were taken
/// over: the daemon may have been killed when the new run was in the store and this was not done, or before it did what it was asked.
/// Newer is who was created later; of a clock that was set back since, who has the higher number, or each new run would be the older one.
void Runner::cancel_previous(const std::string& flow) {
    using Age = std::pair<Instant, std::int64_t>;
    const auto is_ahead = [&, now = clock_.now()](std::int64_t id) { return live(id) && live(id)->row.created_at > now + by_clocks; };
    const auto all = active(flow);
    const bool by_number = std::any_of(all.begin(), all.end(), is_ahead);
    const auto age = [&](const LiveRun& run) { return Age(by_number ? Instant{} : run.row.created_at, run.row.id); };
    std::optional<Age> newest; // may have begun: who was taken over after that stands behind it, and is older
    for (const auto id : all) {
        const auto* run = live(id);
        if (run && run->stored && !run->closing && overlap_of(*run) == "cancel_previous")
            newest = std::max(newest, std::optional(age(*run)));
    }
    if (!newest) return;
    for (const auto id : all)
        if (const auto* run = live(id); run && age(*run) < *newest)
            (void)cancel(id, "run " + std::to_string(newest->second) + " takes its place", {});
}

/// "waits for approval: millrace runs approve 24"; empty where nobody needs to do anything.
std::string Runner::waits_for_a_person(std::int64_t run_id) const {
    const auto* run = find(run_id);
    if (!run) return "";
    if (run->row.state == State::Paused) return "is paused: millrace runs resume " + std::to_string(run_id);
    const auto awaits = [](const LiveRun* r) {
        return r && r->machine && r->machine->state_name() == std::string_view("AwaitingApproval");
    };
    std::int64_t asks = awaits(run) ? run_id : 0;
    for (const auto id : run->children) {
        const auto* child = find(id);
        if (child && child->row.state == State::Paused) return "is paused: millrace runs resume " + std::to_string(id);
        if (awaits(child)) asks = id;
    }
    return asks ? "waits for approval: millrace runs approve " + std::to_string(asks) : "";
}

/// The run before it, and whom the first of them waits for: that may have changed since this one came.
std::string Runner::why_queued(const LiveRun& run) const {
    const auto line = active(run.row.flow);
    const auto place = std::find(line.begin(), line.end(), run.row.id);
    if (place == line.begin() || place == line.end()) return run.row.message;
    const auto before = *std::prev(place), first = line.front();
    const auto text = "waits for run " + std::to_string(before), person = waits_for_a_person(first);
    if (person.empty()) return text;
    return text + (before == first ? ", which " : "; run " + std::to_string(first) + " ") + person;
}

} // namespace millrace
