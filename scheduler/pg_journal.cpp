#include "scheduler/pg_journal.hpp"

#include "scheduler/backfill.hpp"
#include "scheduler/one_line.hpp"
#include "scheduler/pg_journal_statements.hpp"
#include "scheduler/store/server_down.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <ctime>

namespace millrace {
namespace {

/// No row where the fence should be: another owns this node now.
struct Fenced : std::runtime_error {
    Fenced() : std::runtime_error("the lease of this node was taken") {}
};

/// The store has forgotten what it acknowledged.
struct HistoryLost : std::runtime_error {
    HistoryLost() : std::runtime_error("the store went back in time") {}
};

std::int64_t boottime_us() {
    timespec t{};
    clock_gettime(CLOCK_BOOTTIME, &t);
    return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

} // namespace

PgJournal::PgJournal(boost::asio::io_context& io, std::string url, NodeIdentity node, std::function<std::int64_t()> committed_elsewhere,
                     Ended ended)
    : url_(std::move(url)), committed_elsewhere_(std::move(committed_elsewhere)), ended_(std::move(ended)), node_(std::move(node)),
      known_(node_.store), answers_(io), leased_until_(boottime_us() + std::chrono::microseconds(lease_length).count()),
      thread_([this] { work(); }) {}

PgJournal::~PgJournal() { close(); }

void PgJournal::close() {
    if (!thread_.joinable()) return;
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    arrived_.notify_one();
    watch_.hurry(longest_last_call);
    thread_.join();
}

void PgJournal::submit(RunChanges changes) {
    answers_.await(changes.task_runs.size());
    {
        std::lock_guard lock(mutex_);
        gathering_.push_back(std::move(changes));
    }
    arrived_.notify_one();
}

JournalFigures PgJournal::figures() const {
    std::lock_guard lock(mutex_);
    return figures_;
}

void PgJournal::work() {
    for (;;) {
        Group group;
        {
            std::unique_lock lock(mutex_);
            arrived_.wait(lock, [this] { return stopping_ || !gathering_.empty(); });
            if (gathering_.empty()) return;
            group.swap(gathering_);
        }
        if (dead_) continue;
        turn_away(group);
        write_or_bisect(std::move(group));
    }
}

/// Takes out what is of runs that were refused before.
void PgJournal::turn_away(Group& group) {
    if (refused_runs_.empty()) return;
    for (const auto& c : group) // a chunk of a run that is not to be
        if (c.new_run && c.new_run->parent_id && refused_runs_.contains(*c.new_run->parent_id)) refused_runs_.insert(c.run_id);
    const auto stays = [this](const RunChanges& c) { return c.even_if_refused || !refused_runs_.contains(c.run_id); };
    const auto cut = std::stable_partition(group.begin(), group.end(), stays);
    if (cut == group.end()) return;
    Group away(std::make_move_iterator(cut), std::make_move_iterator(group.end()));
    group.erase(cut, group.end());
    answer(std::move(away), std::pair<std::string, std::string>("", "earlier rows of this run were refused"));
}

/// Writes the group whole; where PostgreSQL refuses it, in halves, until the one run is found whose rows it will not take.
/// Changes of one run stay in order and share their fate.
void PgJournal::write_or_bisect(Group group) {
    if (group.empty()) return;
    switch (write(group)) {
    case Written::Yes: return conclude(std::move(group));
    case Written::Ended:
    case Written::Stopped: return die();
    case Written::Refused: break;
    }
    std::stable_sort(group.begin(), group.end(), [](const RunChanges& a, const RunChanges& b) { return a.run_id < b.run_id; });
    if (group.front().run_id == group.back().run_id) {
        if (group.front().run_id) refused_runs_.insert(group.front().run_id);
        if (last_refusal_.first != beside_another) { // which is nobody's mistake
            spdlog::error("journal: PostgreSQL refuses the rows of run={} sqlstate={} error={}", group.front().run_id, last_refusal_.first,
                          last_refusal_.second);
            std::lock_guard lock(mutex_);
            ++figures_.refused;
        }
        return answer(std::move(group), last_refusal_);
    }
    auto middle = group.begin() + static_cast<std::ptrdiff_t>(group.size() / 2);
    const auto same = [&](const RunChanges& c) { return c.run_id == middle->run_id; };
    auto cut = std::find_if(group.begin(), middle, same);
    if (cut == group.begin()) cut = std::find_if_not(middle, group.end(), same);
    Group second(std::make_move_iterator(cut), std::make_move_iterator(group.end()));
    group.erase(cut, group.end());
    write_or_bisect(std::move(group));
    if (dead_) return;
    turn_away(second); // chunks of a run that was refused in the first half
    write_or_bisect(std::move(second));
}

/// Tries until it is known what became of it: a commit whose answer was lost is settled by the fence row.
PgJournal::Written PgJournal::write(Group& group) {
    kept_ = group.size();
    bool in_doubt = false; // an earlier try may still be on its way through PostgreSQL
    for (int failures = 0;;) {
        const std::int64_t begin = boottime_us();
        try {
            if (!connection_) {
                bool arrived = false;
                if (!reconnect(arrived)) return Written::Stopped;
                if (arrived) return Written::Yes;
            }
            transact(group);
        } catch (const Fenced&) {
            if (!std::exchange(in_doubt, false)) return Written::Ended;
            connection_.reset(); // the number may be raised by ourselves, by the try that came late: look again
            continue;
        } catch (const HistoryLost&) {
            return Written::Ended;
        } catch (const std::exception& e) {
            if (is_of_rows(e)) {
                last_refusal_ = refusal_of(e);
                if (last_refusal_.first.empty()) connection_.reset();
                return Written::Refused;
            }
            tell_away(e);
            connection_.reset();
            in_doubt = true;
            if (failures++ > 0 && !pause()) return Written::Stopped; // a lost connection at once, a full disk now and then
            continue;
        }
        const std::int64_t end = boottime_us();
        told_until_ = 0;
        leased_until_ = begin + std::chrono::microseconds(lease_length).count();
        std::lock_guard lock(mutex_);
        ++figures_.commits;
        figures_.away.clear();
        figures_.last_commit_ms = static_cast<double>(end - begin) / 1000;
        return Written::Yes;
    }
}

void PgJournal::transact(Group& group) {
    learn_periods(highest_run_of(group));
    GroupCalls first{periods_}; // up to the fence and the claims, which decide what is written
    first.add("begin");
    first.add("raise_fence", node_.id, node_.epoch, std::to_string(node_.sequence + 1), std::to_string(lease_seconds));
    if (auto claim = claim_of(group)) {
        first.calls.push_back(std::move(*claim));
        kept_ = set_lost_aside(group, *run(first.calls).back());
        first.calls.clear();
    }
    auto all = write_group(std::span(group).first(kept_), node_.epoch, periods_);
    all.add("commit");
    all.calls.insert(all.calls.begin(), std::make_move_iterator(first.calls.begin()), std::make_move_iterator(first.calls.end()));
    const auto answers = run(all.calls);
    ++node_.sequence;
    tell_lines(std::span(group).first(kept_), all.calls, answers);
    std::lock_guard lock(mutex_);
    figures_.rows += all.rows;
}

/// A round trip, but only when ids of a new period are used for the first time.
void PgJournal::learn_periods(std::int64_t highest_run) {
    if (highest_run == 0 || periods_.cover(highest_run)) return;
    const StatementCall look{"all_periods"};
    const auto rows = std::move(connection_->run({&look, 1}).front());
    std::vector<Period> all;
    for (int row = 0; row < PQntuples(rows.get()); ++row)
        all.push_back({std::stoll(PQgetvalue(rows.get(), row, 0)), std::stoll(PQgetvalue(rows.get(), row, 1))});
    periods_ = Periods(std::move(all));
}

std::vector<PgResult> PgJournal::run(std::span<const StatementCall> calls) {
    try {
        return connection_->run(calls);
    } catch (const pqxx::sql_error& e) {
        if (is_fenced(e)) throw Fenced();
        throw;
    }
}

/// Tells what was written, and what was not because another node had fired it.
void PgJournal::conclude(Group group) {
    Group lost(std::make_move_iterator(group.begin() + static_cast<std::ptrdiff_t>(kept_)), std::make_move_iterator(group.end()));
    group.erase(group.begin() + static_cast<std::ptrdiff_t>(kept_), group.end());
    answer(std::move(group), std::nullopt);
    if (lost.empty()) return;
    for (const auto& changes : lost)
        if (changes.run_id) refused_runs_.insert(changes.run_id);
    answer(std::move(lost),
           std::pair<std::string, std::string>(fired_by_another_node, "another node fired this instant, or its schedule is paused"));
}

/// `arrived`: the commit in doubt is in the store. False: we are to stop, or cannot know.
bool PgJournal::reconnect(bool& arrived) {
    for (;;) {
        try {
            // Without statistics the planner may read the whole table for each batch.
            connection_.emplace(url_, journal_statements(),
                                "set enable_hashjoin = off; set enable_mergejoin = off; set enable_seqscan = off", watch_);
            arrived = meet_again() == Verdict::Arrived;
            node_.sequence += arrived ? 1 : 0;
            std::lock_guard lock(mutex_);
            ++figures_.reconnects;
            return true;
        } catch (const Fenced&) {
            throw;
        } catch (const HistoryLost&) {
            throw;
        } catch (const std::exception& e) {
            connection_.reset();
            tell_away(e);
            look_for_server();
        }
        if (!pause()) return false;
    }
}

void PgJournal::look_for_server() {
    const auto now = boottime_us();
    if (local_socket_ && nobody_listens(*local_socket_)) nobody_else_until_ = now + std::chrono::microseconds(lease_length).count();
}

/// Throws Fenced and HistoryLost.
Verdict PgJournal::meet_again() {
    known_.wal = std::max(known_.wal, committed_elsewhere_()); // before we look
    Return back{known_, position(), node_.sequence, {}};
    const StatementCall look{"read_sequence", {node_.id, node_.epoch}};
    const auto row = std::move(connection_->run({&look, 1}).front());
    if (PQntuples(row.get()) > 0) {
        back.row = std::stoll(PQgetvalue(row.get(), 0, 0));
        const auto socket = local_socket(url_);
        const bool is_its_own = socket && socket->ends_with(std::string(".") + PQgetvalue(row.get(), 0, 1)); // no pooler's
        local_socket_ = is_its_own ? socket : std::nullopt;
    }
    const auto verdict = judge(back);
    if (verdict == Verdict::Fenced) throw Fenced();
    if (verdict == Verdict::Lost) {
        lost_ = std::move(back);
        throw HistoryLost();
    }
    known_ = std::move(back.found);
    return verdict;
}

/// Nothing where this server, or our role's rights, do not tell: the numbers of our commits still do.
StorePosition PgJournal::position() {
    try {
        const StatementCall look{"read_position"};
        const auto row = std::move(connection_->run({&look, 1}).front());
        return {PQgetvalue(row.get(), 0, 0), std::stoll(PQgetvalue(row.get(), 0, 1), nullptr, 16), std::stoll(PQgetvalue(row.get(), 0, 2))};
    } catch (const pqxx::sql_error& e) {
        const auto sqlstate = sqlstate_of(e), kind = sqlstate.substr(0, 2);
        if (kind != "42" && kind != "0A") throw; // not permitted, unknown, not supported
        spdlog::info("journal: the server does not tell where its WAL stands: sqlstate={}", sqlstate);
        return {};
    }
}

/// Once, and again when it is something else or has lasted: a person may have to mend it (rights, a store that may only be read).
void PgJournal::tell_away(const std::exception& why) {
    {
        std::lock_guard lock(mutex_);
        figures_.away = one_line(why.what());
    }
    const auto now = boottime_us();
    const auto sqlstate = sqlstate_of(why);
    if (now < told_until_ && sqlstate == told_) return;
    told_ = sqlstate;
    told_until_ = now + std::chrono::microseconds(std::chrono::minutes(1)).count();
    const auto reason = (sqlstate.empty() ? "" : "sqlstate=" + sqlstate + " ") + "error=\"" + one_line(why.what()) + "\"";
    if (is_transient(why))
        spdlog::warn("journal: the store is away, trying again: {}", reason);
    else
        spdlog::error("journal: the store takes nothing, trying again: {}", reason);
}

/// Between tries. False: we are to stop.
bool PgJournal::pause() {
    std::unique_lock lock(mutex_);
    return !arrived_.wait_for(lock, std::chrono::milliseconds(50), [this] { return stopping_; });
}

void PgJournal::answer(Group group, std::optional<std::pair<std::string, std::string>> refusal) {
    for (auto& changes : group) { // without the rows: the loop has better things to do than to free them
        std::function<void()> tell = std::move(changes.committed);
        if (refusal) {
            tell = nullptr;
            if (changes.refused) tell = [refused = std::move(changes.refused), refusal] { refused(refusal->first, refusal->second); };
        }
        answers_.add(changes.task_runs.size(), std::move(tell));
    }
    answers_.send();
}

void PgJournal::die() {
    dead_ = true;
    {
        std::lock_guard lock(mutex_);
        if (stopping_) return;
    }
    spdlog::critical("journal: node={} {}; nothing more is written", node_.id,
                     lost_ ? "is to forget what it knows: " + lost_message(*lost_) : "lost its epoch");
    answers_.add(0, [ended = ended_, lost = lost_] { ended(lost); });
    answers_.send();
}

} // namespace millrace
