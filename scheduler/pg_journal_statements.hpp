/// A group of changes as SQL. The order is that of the foreign keys: runs, task runs, attempts, the rest, lines last; firings are claimed
/// before all of them, since what another node fired makes no run here.
#pragma once

#include "scheduler/journal.hpp"
#include "scheduler/store/periods.hpp"
#include "scheduler/store/pipelined_connection.hpp"

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace millrace {

[[nodiscard]] const std::vector<Statement>& journal_statements();
/// Part of them (pg_journal_lines.cpp).
[[nodiscard]] const std::vector<Statement>& line_statements();
/// One row: system identifier, timeline in hexadecimal digits, bytes of WAL.
extern const char* const read_position_sql;

/// What "raise_fence" ($1 node, $2 epoch, $3 new sequence, $4 seconds of the lease) throws when the row is not as expected.
[[nodiscard]] bool is_fenced(const pqxx::sql_error& error);

/// What its rows are refused with: an SQLSTATE, or a word of ours in its place, and the message.
[[nodiscard]] std::pair<std::string, std::string> refusal_of(const std::exception& error);

/// `sql` with the first run that may be live in the place of each "@live_from".
[[nodiscard]] std::string of_live(std::string sql);

/// The claim of the group's firings; nothing: it has none.
[[nodiscard]] std::optional<StatementCall> claim_of(const std::vector<RunChanges>& group);
/// `claimed` answers claim_of(). What another node made first goes to the end of the group, with all else of the same runs;
/// returns how many changes stand before those.
[[nodiscard]] std::size_t set_lost_aside(std::vector<RunChanges>& group, const PGresult& claimed);

/// 0: there is none.
[[nodiscard]] std::int64_t highest_run_of(std::span<const RunChanges> group);

struct GroupCalls {
    const Periods& periods;
    std::vector<StatementCall> calls{};
    std::size_t rows = 0; ///< of runs and task runs

    void add(const char* name, auto... parameters) { add_to("", name, std::move(parameters)...); }
    /// For the rows of one period.
    void add_to(std::string part, const char* name, auto... parameters) {
        auto& call = calls.emplace_back(StatementCall{name});
        call.part = std::move(part);
        call.parameters.reserve(sizeof...(parameters));
        (call.parameters.emplace_back(std::move(parameters)), ...);
    }
};
/// What writes the group. `epoch` is of the node that drives new runs; `periods` cover its runs.
[[nodiscard]] GroupCalls write_group(std::span<RunChanges> group, const std::string& epoch, const Periods& periods);

/// Who of the group leaves the line of a flow and who asks for it (pg_journal_lines.cpp); part of write_group().
void write_lines(GroupCalls& out, std::span<const RunChanges> group, const std::string& epoch);
/// The answers to those who ask, when `calls`, which write the group, are committed.
void tell_lines(std::span<RunChanges> group, std::span<const StatementCall> calls, std::span<const PgResult> answers);

} // namespace millrace
