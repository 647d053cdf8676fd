#include "connectors/targets/postgres/batch.hpp"

#include "flows/sql_identifier.hpp"
#include "flows/time.hpp"

namespace millrace::postgres {
namespace {

std::optional<std::string> given(const std::string& text) { return text.empty() ? std::nullopt : std::optional(text); }

/// An older batch does no harm where it adds what is missing or leaves newer versions, and deletes nothing: a deleted row has no
/// version that could be compared. Batches of an append are judged by their interval (TableLoad::append).
bool could_undo(const LoadOptions& options, const LoadTable& table) {
    if (table.mode == "append") return false;
    const bool deletes = table.mode == "replace" || !(options.delete_rule.empty() || options.delete_rule == "none");
    return deletes || (table.mode == "upsert" && options.newest_by.empty());
}

} // namespace

std::string micros_of(const std::string& instant) { return "(extract(epoch FROM " + instant + ") * 1000000)::bigint"; }

Ledger::Ledger(Session& session, const LoadRequest& request, std::string schema)
    : session_(session), request_(request), schema_(std::move(schema)), ledger_(quote_identifier(schema_) + "._millrace_ledger"),
      targets_(quote_identifier(schema_) + "._millrace_target") {}

void Ledger::add(const std::string& name, const LoadTable& table) {
    tables_.push_back(name);
    if (!request_.context.limit_rows && could_undo(request_.options, table)) minding_age_.push_back(name);
}

void Ledger::prepare() {
    if (session_.value("SELECT to_regclass($1) IS NOT NULL AND to_regclass($2) IS NOT NULL", {ledger_, targets_}) == "t") return;
    session_.run("BEGIN");
    session_.run("SELECT pg_advisory_xact_lock(hashtextextended('millrace ledger', 0))"); // two first loads at once
    if (session_.run("SELECT 1 FROM pg_namespace WHERE nspname = $1", {schema_}).empty())
        session_.run("CREATE SCHEMA " + quote_identifier(schema_));
    session_.run("CREATE TABLE IF NOT EXISTS " + ledger_ +
                 " (batch_id text PRIMARY KEY, content_hash text NOT NULL, flow text NOT NULL, task text NOT NULL, run_id bigint NOT NULL, "
                 "tables text[] NOT NULL, interval_key text NOT NULL, interval_start timestamptz, interval_end timestamptz, extracted_at "
                 "timestamptz, "
                 "loaded_at timestamptz NOT NULL DEFAULT clock_timestamp(), counts jsonb)");
    session_.run("CREATE INDEX IF NOT EXISTS _millrace_ledger_extracted_at ON " + ledger_ + " (extracted_at)");
    session_.run("CREATE TABLE IF NOT EXISTS " + targets_ + " (table_name text PRIMARY KEY, extracted_at timestamptz, batch_id text)");
    session_.commit();
}

std::optional<std::vector<LoadCounts>> Ledger::find() {
    const Rows row = session_.run("SELECT content_hash, counts, " + micros_of("loaded_at") + " FROM " + ledger_ + " WHERE batch_id = $1",
                                  {request_.batch_id});
    if (row.empty()) return std::nullopt;
    if (row.text(0, 0) != request_.content_hash)
        throw Error(ErrorClass::Permanent,
                    "this batch was loaded at " + to_rfc3339(from_micros(row.integer(0, 2))) +
                        " with other content: its rows, tables, modes or keys have changed since",
                    std::string(new_run_remedy) + ": it makes a new batch");
    auto counts = Json::parse(row.text(0, 1)).get<std::vector<LoadCounts>>();
    for (LoadCounts& c : counts) c.already_loaded = true;
    return counts;
}

bool Ledger::claim(const std::string& extracted_at) {
    const RunContext& c = request_.context;
    return session_
               .run("INSERT INTO " + ledger_ +
                        " (batch_id, content_hash, flow, task, run_id, tables, interval_key, interval_start, interval_end, extracted_at) "
                        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (batch_id) DO NOTHING",
                    {request_.batch_id, request_.content_hash, c.flow, request_.task, std::to_string(c.run_id), array_literal(tables_),
                     request_.interval_key, c.interval_start, c.interval_end, given(extracted_at)})
               .changed() == 1;
}

void Ledger::enter(const std::string& extracted_at) {
    const std::string names = array_literal(tables_);
    // The INSERT waits for another first load of a table, so what is judged is read after it.
    session_.run("INSERT INTO " + targets_ + " (table_name) SELECT unnest($1::text[]) ORDER BY 1 ON CONFLICT DO NOTHING", {names});
    const Rows locked = session_.run("SELECT table_name, table_name = ANY($2) AND extracted_at > $3::timestamptz FROM " + targets_ +
                                         " WHERE table_name = ANY($1) ORDER BY table_name FOR UPDATE",
                                     {names, array_literal(minding_age_), given(extracted_at)});
    std::vector<std::string> newer;
    for (int i = 0; i < locked.size(); ++i)
        if (!locked.is_null(i, 1) && locked.boolean(i, 1)) newer.push_back(locked.text(i, 0));
    if (newer.empty()) return;
    // Only a batch about the same span of time is an older version of the same rows; chunks may arrive in any order.
    const Rows later = session_.run(
        "SELECT batch_id, " + micros_of("extracted_at") + ", run_id FROM " + ledger_ +
            " WHERE extracted_at > $2 AND batch_id <> $3 AND tables && $1::text[] AND "
            "(interval_start IS NULL OR $4::timestamptz IS NULL OR (interval_start < $5 AND interval_end > $4)) ORDER BY extracted_at DESC "
            "LIMIT 1",
        {array_literal(newer), extracted_at, request_.batch_id, request_.context.interval_start, request_.context.interval_end});
    if (later.empty()) return;
    throw Error(ErrorClass::Permanent,
                "this batch was extracted at " + extracted_at + ", but " + newer.front() + " already holds run " + later.text(0, 2) +
                    ", extracted at " + to_rfc3339(from_micros(later.integer(0, 1))) + ": loading it would bring back old values",
                std::string(new_run_remedy) + ", or, where nothing is deleted, let `newest_by` decide row by row");
}

void Ledger::record(const std::string& extracted_at, const std::vector<LoadCounts>& counts) {
    session_.run("UPDATE " + ledger_ + " SET counts = $2 WHERE batch_id = $1", {request_.batch_id, Json(counts).dump()});
    session_.run("UPDATE " + targets_ +
                     " SET extracted_at = greatest(extracted_at, $2::timestamptz), batch_id = $3 WHERE table_name = ANY($1)",
                 {array_literal(tables_), given(extracted_at), request_.batch_id});
}

} // namespace millrace::postgres
