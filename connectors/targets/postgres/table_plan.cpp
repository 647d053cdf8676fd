#include "connectors/targets/postgres/table_plan.hpp"

#include "flows/letters.hpp"
#include "flows/nearest.hpp"
#include "flows/sql_identifier.hpp"
#include "flows/time.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>

namespace millrace::postgres {
namespace {

constexpr std::size_t longest_identifier = 63; // NAMEDATALEN - 1: PostgreSQL would cut it silently

void require_length(const std::string& name, const std::string& what) {
    if (name.size() > longest_identifier)
        throw Error(ErrorClass::Permanent,
                    what + " '" + name + "' has " + std::to_string(name.size()) + " bytes; PostgreSQL's names have at most 63",
                    "choose a shorter name");
    if (name.empty()) throw Error(ErrorClass::Permanent, what + " has an empty name");
}

struct Found {
    std::string oid; ///< empty: the table does not exist
    double estimated_rows = 0;
    bool has_gatekeeper = false;
    std::vector<TargetColumn> columns;
};

Found look_up(Session& session, const TableName& name) {
    Found out;
    // A partitioned table has its rows, and the statistics of them, in its partitions.
    const Rows table =
        session.run("SELECT c.oid, (SELECT coalesce(sum(CASE WHEN p.reltuples >= 0 THEN p.reltuples ELSE pg_relation_size(p.oid) / 100 "
                    "END), 0) FROM pg_class p WHERE p.oid = c.oid "
                    "OR (c.relkind = 'p' AND p.oid IN (SELECT relid FROM pg_partition_tree(c.oid) WHERE isleaf))), c.relkind, "
                    "EXISTS (SELECT 1 FROM pg_trigger g WHERE (g.tgrelid = c.oid OR g.tgrelid IN (SELECT relid FROM "
                    "pg_partition_tree(c.oid))) AND NOT g.tgisinternal AND g.tgenabled <> 'D' "
                    "AND (g.tgtype & 3) = 3) OR EXISTS (SELECT 1 FROM pg_rewrite r WHERE r.ev_class = c.oid AND r.ev_type <> '1'), "
                    "row_security_active(c.oid) FROM pg_class c "
                    "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2",
                    {name.schema, name.table});
    if (table.empty()) return out;
    const std::string kind = table.text(0, 2);
    if (kind != "r" && kind != "p")
        throw Error(ErrorClass::Permanent, name.display() + " is no table, so nothing can be loaded into it", "name another table");
    if (table.boolean(0, 4))
        throw Error(ErrorClass::Permanent,
                    "the row-level security of " + name.display() +
                        " may hide rows from the connection's user, and what is hidden cannot be compared",
                    "grant the user BYPASSRLS, or let the table's owner load it");
    out.oid = table.text(0, 0);
    out.has_gatekeeper = table.boolean(0, 3);
    out.estimated_rows = std::stod(table.text(0, 1));
    const Rows columns =
        session.run("SELECT attname, format_type(atttypid, atttypmod), atttypid, atttypmod, attnotnull, atthasdef OR attidentity <> '' OR "
                    "EXISTS (SELECT 1 FROM pg_type y WHERE y.oid = atttypid AND y.typdefault IS NOT NULL) FROM pg_attribute "
                    "WHERE attrelid = $1::oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
                    {out.oid});
    for (int i = 0; i < columns.size(); ++i)
        out.columns.push_back({columns.text(i, 0), columns.text(i, 1), static_cast<std::uint32_t>(columns.integer(i, 2)),
                               static_cast<int>(columns.integer(i, 3)), columns.boolean(i, 4), columns.boolean(i, 5)});
    return out;
}

void find_unique_indexes(Session& session, const std::string& oid, TablePlan& plan) {
    const Rows rows =
        session.run("SELECT c.relname, a.attname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_attribute a ON a.attrelid "
                    "= i.indrelid AND a.attnum = ANY((i.indkey::int2[])[0:i.indnkeyatts - 1]) "
                    "WHERE i.indrelid = $1::oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL",
                    {oid});
    std::map<std::string, std::set<std::string>> indexes;
    for (int i = 0; i < rows.size(); ++i) indexes[rows.text(i, 0)].insert(rows.text(i, 1));
    const std::set<std::string> key(plan.key.begin(), plan.key.end());
    for (const auto& [name, columns] : indexes) {
        if (columns == key) plan.key_indexes.insert(name);
        plan.is_unique = plan.is_unique || std::includes(key.begin(), key.end(), columns.begin(), columns.end());
    }
}

/// Technical columns by the word in `stamp:`.
struct Stamp {
    const char* word;
    const char* column;
    const char* type;
};
constexpr Stamp stamps[] = {
    {"run_id", "_run_id", "bigint"}, {"batch_id", "_batch_id", "text"}, {"loaded_at", "_loaded_at", "timestamp with time zone"}};

std::string stamp_field(const std::string& word, const LoadRequest& request) {
    std::string out;
    if (word == "batch_id") {
        append_int32(out, static_cast<std::int32_t>(request.batch_id.size()));
        return out + request.batch_id;
    }
    append_int32(out, 8);
    const std::optional<Instant> at = parse_rfc3339(request.context.run_at);
    append_int64(out, word == "run_id" ? request.context.run_id : at ? to_micros(*at) - 946684800000000 : 0);
    return out;
}

struct Wanted {
    std::string name, type; ///< type: of a new column
    int source;
    std::string stamp; ///< word, empty: none
    bool never_null = false;
    bool is_key = false;
};

/// Its contract, or its source's spec, was enforced when it was written.
bool is_never_null(const Manifest& manifest, const std::string& column) {
    return std::any_of(manifest.columns.begin(), manifest.columns.end(),
                       [&](const ManifestColumn& c) { return c.name == column && c.nullable == false; });
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

bool has_rows(Session& session, const TableName& name) { return !session.run("SELECT 1 FROM " + name.quoted() + " LIMIT 1").empty(); }

std::vector<Wanted> wanted_columns(const LoadRequest& request, const LoadRequest::Table& table,
                                   const std::vector<duckdb::Column>& dataset) {
    std::vector<Wanted> out;
    for (std::size_t i = 0; i < dataset.size(); ++i)
        out.push_back({dataset[i].name, new_column_type(dataset[i].type), static_cast<int>(i), "",
                       is_never_null(table.manifest, dataset[i].name), contains(table.spec.key, dataset[i].name)});
    std::vector<std::string> words = request.options.stamp;
    const bool append = table.spec.mode == "append";
    if (append && !contains(words, "batch_id")) words.emplace_back("batch_id"); // it is found again by it
    for (const Stamp& s : stamps)
        if (contains(words, s.word)) out.push_back({s.column, s.type, -1, s.word});
    for (const Wanted& w : out) require_length(w.name, "column");
    return out;
}

void create(Session& session, const TableName& name, const std::vector<Wanted>& columns) {
    if (session.run("SELECT 1 FROM pg_namespace WHERE nspname = $1", {name.schema}).empty())
        session.run("CREATE SCHEMA IF NOT EXISTS " + quote_identifier(name.schema));
    std::string sql;
    for (const Wanted& c : columns)
        sql += (sql.empty() ? "" : ", ") + quote_identifier(c.name) + " " + c.type + (c.never_null ? " NOT NULL" : "");
    session.run("CREATE TABLE " + name.quoted() + " (" + sql + ")");
}

const TargetColumn* find_column(const std::vector<TargetColumn>& columns, const std::string& name) {
    const auto at = std::find_if(columns.begin(), columns.end(), [&](const TargetColumn& c) { return c.name == name; });
    return at == columns.end() ? nullptr : &*at;
}

const TargetColumn* find_in_other_letters(const std::vector<TargetColumn>& columns, const std::string& name) {
    const auto at =
        std::find_if(columns.begin(), columns.end(), [&](const TargetColumn& c) { return lower_case(c.name) == lower_case(name); });
    return at == columns.end() ? nullptr : &*at;
}

/// Makes what is missing; gives the table as it is then.
Found prepare(Session& session, const LoadRequest& request, const LoadMonitor& monitor, const TableName& name,
              const std::vector<Wanted>& wanted, bool& created) {
    if (request.context.limit_rows) session.run("DROP TABLE IF EXISTS " + name.quoted()); // of an earlier such run, maybe of another shape
    Found found = look_up(session, name);
    if (found.oid.empty()) {
        if (!request.options.create)
            throw Error(ErrorClass::Permanent, "there is no table " + name.display(), "create it, or let the load do so: `create: auto`");
        create(session, name, wanted);
        created = true;
        return look_up(session, name);
    }
    std::vector<std::string> added;
    for (const Wanted& w : wanted) {
        if (find_column(found.columns, w.name) != nullptr) continue;
        if (const TargetColumn* near = find_in_other_letters(found.columns, w.name))
            throw Error(ErrorClass::Permanent,
                        name.display() + " has a column '" + near->name + "', and the dataset has '" + w.name +
                            "': names of columns are case-sensitive",
                        "write the column's name as the table does, or rename it there");
        if (!request.options.create)
            throw Error(ErrorClass::Permanent, name.display() + " has no column '" + w.name + "'",
                        "add it, leave it out of the dataset, or let the load add it: `create: auto`");
        if (w.is_key && has_rows(session, name))
            throw Error(ErrorClass::Permanent,
                        name.display() + " has rows and no column '" + w.name + "', which is the key: no row of it could be found again",
                        fmt::format("name as `key` what the table has, load into another table, or give its rows their key: ALTER TABLE {} "
                                    "ADD COLUMN {} {}, then UPDATE",
                                    name.quoted(), quote_identifier(w.name), w.type));
        session.run("ALTER TABLE " + name.quoted() + " ADD COLUMN " + quote_identifier(w.name) + " " + w.type);
        added.push_back(w.name);
    }
    if (added.empty()) return found;
    if (monitor.event)
        monitor.event("altered",
                      fmt::format("{} gets the column{} {}, NULL in the rows that it has", name.display(), added.size() == 1 ? "" : "s",
                                  fmt::join(added, ", ")),
                      {{"table", name.display()}, {"columns", added}});
    return look_up(session, name);
}

} // namespace

std::string TableName::quoted() const { return quote_identifier(schema) + "." + quote_identifier(table); }
std::string TableName::display() const { return schema + "." + table; }

TableName parse_table_name(const std::string& text, const std::string& default_schema) {
    const std::size_t dot = text.find('.');
    TableName out = dot == std::string::npos ? TableName{default_schema, text} : TableName{text.substr(0, dot), text.substr(dot + 1)};
    require_length(out.schema, "schema");
    require_length(out.table, "table");
    return out;
}

bool TablePlan::has_column(const std::string& column) const {
    return std::any_of(columns.begin(), columns.end(), [&](const PlannedColumn& c) { return c.target.name == column; });
}

bool TablePlan::has_jsonb() const {
    return std::any_of(columns.begin(), columns.end(), [](const PlannedColumn& c) { return c.wire == Wire::Jsonb; });
}

std::vector<TargetColumn> TablePlan::key_columns() const {
    std::vector<TargetColumn> out;
    for (const PlannedColumn& c : columns)
        if (c.is_key) out.push_back(c.target);
    return out;
}

std::vector<TargetColumn> TablePlan::compared_columns() const {
    std::vector<TargetColumn> out;
    for (const PlannedColumn& c : columns)
        if (c.compared) out.push_back(c.target);
    return out;
}

namespace {

/// All of them at once: each run tells what stops it.
void refuse_misfits(const std::vector<Error>& misfits) {
    if (misfits.empty()) return;
    std::string message = misfits.front().what(), remedy = misfits.front().remedy;
    for (std::size_t i = 1; i < misfits.size(); ++i) {
        message += std::string("; ") + misfits[i].what();
        remedy += "; " + misfits[i].remedy.substr(misfits[i].remedy.find("ALTER TABLE"));
    }
    throw Error(misfits.front().error_class, message, remedy);
}

} // namespace

TablePlan plan_table(Session& session, const LoadRequest& request, const LoadRequest::Table& table, const LoadMonitor& monitor,
                     const std::string& default_schema, const std::vector<duckdb::Column>& dataset) {
    TablePlan plan;
    plan.name = parse_table_name(table.spec.table, default_schema);
    if (request.context.limit_rows) plan.name.schema = default_schema; // the scratch schema, whatever the flow names
    plan.key = table.spec.key;
    const std::vector<Wanted> wanted = wanted_columns(request, table, dataset);
    const Found found = prepare(session, request, monitor, plan.name, wanted, plan.created);
    plan.estimated_rows = found.estimated_rows;
    plan.has_gatekeeper = found.has_gatekeeper;
    std::vector<Error> misfits;
    for (const Wanted& w : wanted) {
        PlannedColumn column;
        column.target = *find_column(found.columns, w.name);
        column.source = w.source;
        if (w.source >= 0) try {
                column.wire =
                    wire_for(plan.name.display(), plan.name.quoted(), dataset[static_cast<std::size_t>(w.source)].type, column.target);
            } catch (const Error& e) {
                misfits.push_back(e);
            }
        else {
            column.constant = stamp_field(w.stamp, request);
            if (column.target.type != w.type)
                throw Error(ErrorClass::Permanent,
                            "column " + w.name + " of " + plan.name.display() + " is " + column.target.type + "; the stamp " + w.stamp +
                                " needs " + w.type,
                            "rename that column, or leave out the stamp");
        }
        column.is_key = w.is_key;
        const bool stamped = w.source < 0 || contains(request.options.stamp, w.name);
        column.compared = !stamped;
        plan.nullable_key = plan.nullable_key || (column.is_key && !column.target.not_null);
        plan.columns.push_back(std::move(column));
    }
    refuse_misfits(misfits);
    for (const TargetColumn& c : found.columns)
        if (c.not_null && !c.fills_itself && !plan.has_column(c.name)) plan.unfilled.push_back(c.name);
    std::vector<std::string> names;
    for (const duckdb::Column& c : dataset) names.push_back(c.name);
    for (const std::string& k : plan.key)
        if (!contains(names, k)) {
            const std::string near = nearest(k, names);
            throw Error(ErrorClass::Permanent, "the key column '" + k + "' is no column of the dataset " + table.spec.task,
                        near.empty() ? "" : "did you mean '" + near + "'?");
        }
    plan.has_rows = !plan.created && has_rows(session, plan.name);
    if (!plan.key.empty() && !plan.created) find_unique_indexes(session, found.oid, plan);
    return plan;
}

} // namespace millrace::postgres
