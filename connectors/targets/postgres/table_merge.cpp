/// The keyed merge of TableLoad: what differs is staged, compared by the server value by value, and only then written.
#include "connectors/duckdb/query_error.hpp"
#include "connectors/targets/postgres/copy_stream.hpp"
#include "connectors/targets/postgres/merge_sql.hpp"
#include "connectors/targets/postgres/row_source.hpp"
#include "connectors/targets/postgres/table_load.hpp"
#include "flows/counted.hpp"
#include "flows/sql_identifier.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace millrace::postgres {
namespace {
constexpr double hash_rows_per_shipped = 4; ///< the server hashes about that many rows in the time of shipping and merging one
constexpr std::int64_t worth_analysing = 1000;
constexpr std::int64_t small_dataset = 5000; ///< below, staging everything is as quick as anything
} // namespace

/// Beside DuckDB, which only reads the dataset through meanwhile.
std::int64_t TableLoad::memory_for_hashes() const { return database_.options().memory_bytes / 2; }

/// `delete: missing` must know every key of the dataset on the server; a jsonb is printed otherwise there than here.
bool TableLoad::hashes_pay() const {
    if (delete_rule_ == "missing" || table_.spec.mode == "replace") return false;
    if (plan_.has_jsonb()) return false;
    const auto rows = static_cast<double>(table_.manifest.rows);
    return table_.manifest.rows > small_dataset && plan_.estimated_rows <= hash_rows_per_shipped * rows &&
           PresentRows::fits(plan_.estimated_rows, memory_for_hashes());
}

/// With `newest_by` one row of each key: the newest; of equally new ones a deletion, else the same one every time.
std::string TableLoad::newest_rows() const {
    const std::string all = "SELECT * FROM " + dataset_;
    if (request_.options.newest_by.empty()) return all;
    std::string key;
    for (const std::string& k : plan_.key) key += (key.empty() ? "" : ", ") + quote_identifier(k);
    const std::string deletions_first = delete_rule_ == "when" ? "coalesce((" + request_.options.delete_rule + "\n), false) DESC, " : "";
    return all + " AS _millrace_row QUALIFY row_number() OVER (PARTITION BY " + key + " ORDER BY " +
           quote_identifier(request_.options.newest_by) + " DESC NULLS LAST, " + deletions_first + "hash(_millrace_row)) = 1";
}

std::string TableLoad::merged_rows() const {
    if (delete_rule_ != "when") return newest_rows();
    return "SELECT * FROM (" + newest_rows() + ") WHERE NOT coalesce((" + request_.options.delete_rule + "\n), false)";
}

void TableLoad::merge() {
    step("staging");
    session_.run("SET LOCAL work_mem = '64MB'");
    if (delete_rule_ == "when") delete_marked();
    if (!hashes_pay() || !stage_differing()) {
        make_stage();
        counts_.unchanged = copy_all(merged_rows(), stage_);
    }
    if (!has_stage_) return; // the table holds every row as it is
    const bool replaces = table_.spec.mode == "replace" && !request_.context.limit_rows;
    if (!replaces && delete_rule_ != "missing") return merge_stage();
    const std::string where = replaces ? "true" : scope();
    if (!replaces) tell_of_rows_outside(where, stage_);
    const std::int64_t present =
        replaces ? 0 : session_.run("SELECT count(*) FROM " + plan_.name.quoted() + " t WHERE " + where).integer(0, 0);
    merge_stage();
    step("deleting");
    const std::string missing = missing_rows(plan_, stage_, where);
    if (replaces)
        counts_.deleted = delete_all(missing);
    else
        delete_missing(missing, present);
}

/// Only when there is something to stage: the catalogue's rows for a temporary table are written to the log like any other.
void TableLoad::make_stage() {
    session_.run(create_stage(plan_, stage_));
    has_stage_ = true;
}

/// Until the server has compared them, staged rows count as unchanged. False, and nothing is staged: the target's hashes outgrew
/// their memory, as its statistics had not foretold.
bool TableLoad::stage_differing() {
    PresentRows present(static_cast<std::size_t>(std::max(plan_.estimated_rows, 0.0)), memory_for_hashes());
    if (!pull_hashes(present)) return false;
    const bool key_only = table_.spec.mode == "insert_new";
    duckdb::Connection db = database_.connect(request_.context.timezone);
    RowSource rows(db, merged_rows(), *request_.values, plan_);
    std::optional<CopyStream> copy;
    const auto stage = [&](std::string_view row) {
        if (!copy) make_stage(), copy.emplace(session_, "COPY " + stage_ + " (" + column_list(plan_) + ") FROM STDIN (FORMAT binary)");
        copy->add(row);
    };
    for (std::int64_t n = 0; rows.next(); ++n) {
        if (rows.is_time_to_report()) step("comparing", n);
        switch (present.visit(rows.key_hash(0), key_only ? rows.key_hash(1) : rows.row_hash(1))) {
        case PresentRows::Found::Same: break;
        case PresentRows::Found::Repeated: refuse_duplicate(rows.shown_key());
        default: stage(rows.bytes());
        }
        ++counts_.unchanged;
    }
    rows_read_ += counts_.unchanged;
    if (copy) copy->finish();
    return true;
}

bool TableLoad::pull_hashes(PresentRows& present) {
    step("reading hashes");
    const std::vector<TargetColumn> columns = table_.spec.mode == "insert_new" ? plan_.key_columns() : plan_.compared_columns();
    constexpr std::size_t row_bytes = 2 + 4 + 8 + 4 + 8;
    std::int64_t seen = 0;
    bool all_held = true;
    // The server's planner weighs the rows that workers would hand over; here they are two numbers, and hashing is the work.
    session_.run("SET LOCAL parallel_tuple_cost = 0");
    session_.copy_out("COPY (SELECT " + hash_sql(plan_.key_columns(), 0) + ", " + hash_sql(columns, 1) + " FROM " + plan_.name.quoted() +
                          ") TO STDOUT (FORMAT binary)",
                      [&](std::string_view message) {
                          if (seen++ == 0) message.remove_prefix(19); // the stream's header comes with its first row
                          if (message.size() != row_bytes) return;    // the trailer
                          all_held = all_held && present.add(static_cast<std::uint64_t>(read_int64(message.data() + 6)),
                                                             static_cast<std::uint64_t>(read_int64(message.data() + 18)));
                      });
    return all_held;
}

void TableLoad::merge_stage() {
    step("merging");
    if (counts_.unchanged > worth_analysing) session_.run("ANALYZE " + stage_);
    const Rows duplicate = session_.run(find_duplicate(plan_, stage_));
    if (!duplicate.empty()) refuse_duplicate(duplicate.text(0, 0));
    if (delete_rule_ == "when") { // marked rows were deleted before, so the living one of the same key is staged in any case
        const Rows both = session_.run(find_in_both(plan_, stage_, doomed_));
        if (!both.empty()) refuse_duplicate(both.text(0, 0));
    }
    const std::string& newest_by = request_.options.newest_by;
    const std::string update = update_changed(plan_, stage_, newest_by);
    if (table_.spec.mode != "insert_new" && !update.empty()) {
        const bool by_number = !plan_.has_gatekeeper && plan_.is_unique; // one row of the table for each of the dataset
        const Rows wanted = session_.run(by_number ? "SELECT 0, 0" : count_changed(plan_, stage_, newest_by));
        const std::int64_t written = session_.run(update).changed();
        if (plan_.has_gatekeeper && wanted.integer(0, 0) > written) refuse_swallowed("updates", wanted.integer(0, 0) - written, "");
        counts_.updated = by_number ? written : wanted.integer(0, 1);
    }
    counts_.inserted = session_.run(insert_absent(plan_, stage_)).changed();
    if (plan_.has_gatekeeper)
        if (const Rows kept_out = session_.run(find_absent(plan_, stage_)); !kept_out.empty())
            refuse_swallowed("inserts", 0, kept_out.text(0, 0));
    // Where the table has no key, somebody else may write one of its rows between two of these statements.
    counts_.unchanged = std::max<std::int64_t>(counts_.unchanged - counts_.updated - counts_.inserted, 0);
}

/// Whoever sums the table up counts them twice, and no load can know which row is one too many.
void TableLoad::tell_of_repeated_keys() {
    if (plan_.created || plan_.is_unique || !monitor_.event) return;
    const Rows repeated = session_.run(count_repeated(plan_));
    const std::int64_t keys = repeated.integer(0, 0);
    if (keys == 0) return;
    const std::string names = fmt::format("{}", fmt::join(plan_.key, ", "));
    const NullsInKey nulls = key_may_be_null() ? NullsInKey::Possible : NullsInKey::None;
    monitor_.event("warning",
                   fmt::format("{} holds {} more than once (such as {} = {}), and has no unique index on ({}): sums over it count these "
                               "rows more than once. Delete the doubles: {}; then: {}",
                               counts_.table, counted(keys, "key"), names, repeated.text(0, 1), names, delete_repeated(plan_),
                               create_key(plan_, nulls, session_.version())),
                   {{"table", counts_.table}, {"keys", keys}});
}

void TableLoad::delete_marked() {
    step("deleting");
    session_.run(create_stage(plan_, doomed_));
    try {
        copy_all("SELECT * FROM (" + newest_rows() + ") WHERE (" + request_.options.delete_rule + "\n)", doomed_);
    } catch (const duckdb::QueryError& e) {
        throw duckdb::told_of(e, "`delete: {when}`");
    }
    counts_.deleted = delete_all(staged_rows(plan_, doomed_, request_.options.newest_by));
}

} // namespace millrace::postgres
