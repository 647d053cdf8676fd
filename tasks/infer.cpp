/// What the SQL of a flow reads and gives. Each statement is prepared on a session of its own that has no tables at all:
/// DuckDB itself names the first table that it misses, an empty one of that schema is put there, and it is prepared again.
/// So the answer is the binder's (CTEs, sub-queries, quoting and case included), not that of a second parser.
#include "connectors/duckdb/query_error.hpp"
#include "flows/interval.hpp"
#include "flows/letters.hpp"
#include "flows/nearest.hpp"
#include "flows/sql_identifier.hpp"
#include "flows/sql_scan.hpp"
#include "flows/type_names.hpp"
#include "tasks/evaluate.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <set>

namespace millrace {
namespace {

/// What one SQL text turned out to be.
struct Finding {
    std::vector<std::string> reads;
    std::vector<InferColumn> columns;
    bool schema_known = false;
    std::string error;
    int offset = -1;
};

class Inference {
public:
    explicit Inference(const InferOrder& order) : order_(order), database_({}) {
        for (const InferTask& task : order.tasks) tasks_.emplace(lower_case(task.name), &task);
    }

    const InferResult& result(const std::string& name) {
        const auto known = results_.find(name);
        if (known != results_.end()) return known->second;
        InferResult& out = results_[name]; // present from here on: a task that reads itself finds it, without a schema
        const InferTask& task = *tasks_.at(name);
        out.name = task.name;
        InferResult found = task.sql.empty() ? given(task) : from_sql(task, task.sql, out);
        for (const auto& [label, sql] : task.expressions) add_expression(task, label, sql, found);
        return results_[name] = std::move(found);
    }

    /// Mistakes beyond the first of their task.
    const std::vector<InferResult>& further() const { return further_; }

private:
    static InferResult given(const InferTask& task) {
        InferResult out;
        out.name = task.name;
        out.columns = task.columns;
        out.schema_known = task.schema_known;
        return out;
    }

    InferResult from_sql(const InferTask& task, const std::string& sql, InferResult out) {
        Finding f = find(task, sql, "", "");
        out.reads = std::move(f.reads);
        out.columns = std::move(f.columns);
        out.schema_known = f.schema_known;
        out.error = std::move(f.error);
        out.error_offset = f.offset;
        return out;
    }

    void add_expression(const InferTask& task, const std::string& label, const std::string& sql, InferResult& out) {
        const bool over_this = label.starts_with("column ");
        Finding f = over_this         ? find(task, sql, "SELECT (", "\n) FROM this", &out)
                    : label == "when" ? find(task, sql, "SELECT (", "\n)")
                                      : find(task, sql, "", "", &out);
        for (const std::string& name : f.reads)
            if (name != task.name && std::find(out.reads.begin(), out.reads.end(), name) == out.reads.end()) out.reads.push_back(name);
        const bool condition = over_this || label == "when";
        if (condition && f.error.empty() && f.schema_known && f.columns.size() == 1 && f.columns[0].type != "BOOLEAN")
            f.error =
                "a condition is true or false, and this one is of type " + type_words(f.columns[0].type) + "\ncompare it with something";
        if (f.error.empty()) return;
        InferResult& mistaken = out.error.empty() ? out : further_.emplace_back(InferResult{task.name, {}, {}, false, {}, {}, -1});
        mistaken.error = std::move(f.error);
        mistaken.error_offset = f.offset;
        mistaken.expression = label;
    }

    /// The columns that readers of a task see: its contract where it has one, else what its SQL gives.
    static const std::vector<InferColumn>& visible(const InferTask& task, const InferResult& result) {
        return task.columns.empty() ? result.columns : task.columns;
    }

    static void add_missing(const std::vector<InferColumn>& from, std::vector<InferColumn>& to) {
        for (const InferColumn& c : from)
            if (std::none_of(to.begin(), to.end(), [&](const InferColumn& t) { return lower_case(t.name) == lower_case(c.name); }))
                to.push_back(c);
    }

    Finding find(const InferTask& task, const std::string& sql, const std::string& before, const std::string& after,
                 const InferResult* self = nullptr) {
        Finding out;
        duckdb::Connection db = database_.connect();
        const std::string text = before + sql + after;
        std::set<std::string> made;
        for (;;) {
            try {
                describe(db, text, out);
                out.schema_known = true;
                check_instants(db, syntax_tree(db, text), sql, out);
                return out;
            } catch (const duckdb::QueryError& e) {
                const std::string missing = lower_case(e.missing_table);
                const bool is_this = missing == "this" && self != nullptr;
                const bool readable = is_this || (tasks_.contains(missing) && missing != lower_case(task.name));
                if (!missing.empty() && readable && made.insert(missing).second) {
                    const InferTask& upstream = is_this ? task : *tasks_.at(missing);
                    const InferResult& schema = is_this ? *self : result(missing);
                    if (!is_this) out.reads.push_back(upstream.name);
                    std::vector<InferColumn> columns = visible(upstream, schema);
                    if (is_this) add_missing(schema.columns, columns); // a name that the contract has otherwise is told of already
                    if (columns.empty() || (!schema.schema_known && upstream.columns.empty())) {
                        add_tables_of_tree(db, text, task, out);
                        return out;
                    }
                    if (!create_empty(db, missing, upstream, columns, out)) return out;
                    continue;
                }
                report(e, task, text, before.size(), sql.size(), out);
                return out;
            } catch (const Error& e) {
                out.error = said(e);
                return out;
            }
        }
    }

    /// The sentence, and what to do on a line of its own.
    static std::string said(const Error& e) { return e.what() + (e.remedy.empty() ? "" : "\n" + e.remedy); }

    bool create_empty(duckdb::Connection& db, const std::string& name, const InferTask& task, const std::vector<InferColumn>& columns,
                      Finding& out) {
        std::string sql;
        for (const InferColumn& c : columns) sql += (sql.empty() ? "" : ", ") + quote_identifier(c.name) + " " + c.type;
        try {
            db.query("CREATE TEMP TABLE " + quote_identifier(name) + " (" + sql + ")");
            return true;
        } catch (const Error& e) {
            out.error = "the columns of " + task.name + ": " + e.what();
            return false;
        }
    }

    /// Types depend on those of parameters, so a statement with parameters is executed with typed NULLs, over the empty tables
    /// and for no row at all: what it would compute without any table must not be computed here.
    void describe(duckdb::Connection& db, const std::string& sql, Finding& out) {
        duckdb::Statement statement = db.prepare(sql);
        const std::vector<std::string> parameters = statement.parameters();
        out.columns.clear();
        if (!statement.is_select()) throw duckdb::QueryError(ErrorClass::Permanent, "only a SELECT may stand here");
        if (parameters.empty()) {
            for (const duckdb::Column& c : statement.columns()) out.columns.push_back({c.name, c.type.name});
            return;
        }
        const std::string nulls = typed_nulls(parameters, sql), prefix = "PREPARE inferred AS SELECT * FROM (";
        try {
            db.query(prefix + without_semicolon(sql) + "\n) LIMIT 0");
            const duckdb::Result result = db.query("EXECUTE inferred(" + nulls + ")");
            for (const duckdb::Column& c : result.columns()) out.columns.push_back({c.name, c.type.name});
        } catch (duckdb::QueryError& e) {
            e.offset = std::max(e.offset - static_cast<int>(prefix.size()), -1);
            throw;
        }
    }

    [[nodiscard]] std::string typed_nulls(const std::vector<std::string>& parameters, const std::string& sql) const {
        std::string list;
        for (const std::string& name : parameters) {
            const auto type = order_.bindings.find(name);
            if (type == order_.bindings.end()) {
                std::vector<std::string> names;
                for (const auto& [known, ignored] : order_.bindings) names.push_back(known);
                const std::string near = nearest(name, names);
                duckdb::QueryError e(ErrorClass::Permanent,
                                     "there is no parameter $" + name + (near.empty() ? "" : ": did you mean $" + near + "?"));
                e.offset = static_cast<int>(sql.find("$" + name));
                throw e;
            }
            list += (list.empty() ? "" : ", ") + (quote_identifier(name) + " := CAST(NULL AS " + type->second + ")");
        }
        return list;
    }

    void report(const duckdb::QueryError& e, const InferTask& task, const std::string& text, std::size_t skipped, std::size_t length,
                Finding& out) const {
        out.error = said(e);
        if (out.error.starts_with("memory exhausted at or near")) { // so says its parser
            out.error = "this SQL is nested too deeply";
        } else if (lower_case(e.missing_table) == lower_case(task.name)) {
            out.error = "'" + task.name + "' reads itself";
        } else if (!e.missing_table.empty()) {
            std::vector<std::string> names;
            for (const auto& [name, ignored] : tasks_) names.push_back(name);
            const std::string near = nearest(lower_case(e.missing_table), names);
            out.error = "there is no task '" + e.missing_table + "' to read" +
                        (near.empty() ? fmt::format("\nits tables are the tasks of the flow: {}", fmt::join(names, ", "))
                                      : ": did you mean '" + near + "'?");
        }
        const std::size_t at = e.offset < 0 ? std::string::npos : static_cast<std::size_t>(e.offset);
        if (at != std::string::npos && at >= skipped && at <= text.size()) out.offset = static_cast<int>(std::min(at - skipped, length));
    }

    /// Null for what cannot be serialised.
    static Json syntax_tree(duckdb::Connection& db, const std::string& sql) {
        try {
            return db.query("SELECT json_serialize_sql(" + quote_literal(sql) + ")").single_value();
        } catch (const Error&) {
            return {};
        }
    }

    /// A constant like DATE '2026-02-30' binds, and fails only when a run comes to it.
    void check_instants(duckdb::Connection& db, const Json& node, const std::string& sql, Finding& out) const {
        if (node.is_object() && node.value("type", Json()) == "OPERATOR_TRY") return;
        if (node.is_structured())
            for (const Json& part : node) check_instants(db, part, sql, out);
        if (!node.is_object() || node.value("type", Json()) != "OPERATOR_CAST" || node.value("try_cast", false) || !out.error.empty())
            return;
        const Json& constant = node.at("child").value("value", Json());
        const auto type = node.at("cast_type").value("id", std::string());
        const bool is_instant = type == "DATE" || type.starts_with("TIME") || type == "INTERVAL";
        if (!is_instant || !constant.is_object() || !constant.value("value", Json()).is_string()) return;
        const auto text = constant.at("value").get<std::string>();
        try {
            (void)db.query("SELECT CAST(" + quote_literal(text) + " AS " + type + ")").single_value();
        } catch (const Error&) {
            out.error = missing_day(text);
            if (out.error.empty())
                out.error = fmt::format("'{}' is no {}", text, type == "INTERVAL" ? "interval" : type == "DATE" ? "date" : "time");
            if (const auto at = sql.find(quote_literal(text)); at != std::string::npos) out.offset = static_cast<int>(at);
        }
    }

    /// Beyond a table without a schema nothing can be bound: what else is read comes from the syntax tree.
    void add_tables_of_tree(duckdb::Connection& db, const std::string& sql, const InferTask& task, Finding& out) {
        collect_tables(syntax_tree(db, sql), task, out);
    }

    void collect_tables(const Json& node, const InferTask& task, Finding& out) {
        if (node.is_array())
            for (const Json& item : node) collect_tables(item, task, out);
        if (!node.is_object()) return;
        if (node.value("type", Json()) == "BASE_TABLE") {
            const auto known = tasks_.find(lower_case(node.value("table_name", "")));
            if (known != tasks_.end() && known->second->name != task.name &&
                std::find(out.reads.begin(), out.reads.end(), known->second->name) == out.reads.end())
                out.reads.push_back(known->second->name);
        }
        for (const auto& [key, value] : node.items()) collect_tables(value, task, out);
    }

    const InferOrder& order_;
    std::vector<InferResult> further_;
    duckdb::Database database_;
    std::map<std::string, const InferTask*> tasks_; ///< by lower-case name
    std::map<std::string, InferResult> results_;    ///< by lower-case name; references stay valid
};

} // namespace

InferReply infer(const InferOrder& order) {
    InferReply reply;
    reply.id = order.id;
    try {
        Inference inference(order);
        for (const InferTask& task : order.tasks) reply.tasks.push_back(inference.result(lower_case(task.name)));
        reply.tasks.insert(reply.tasks.end(), inference.further().begin(), inference.further().end());
    } catch (const std::exception& e) {
        reply.tasks.clear();
        for (const InferTask& task : order.tasks) {
            InferResult failed;
            failed.name = task.name;
            failed.error = e.what();
            reply.tasks.push_back(failed);
        }
    }
    return reply;
}

} // namespace millrace
