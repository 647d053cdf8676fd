#include "connectors/duckdb/connection.hpp"

#include "connectors/duckdb/api.hpp"
#include "connectors/duckdb/query_error.hpp"
#include "connectors/duckdb/type_reader.hpp"
#include "flows/letters.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

namespace millrace::duckdb {
namespace {
c::Connection session(void* handle) { return static_cast<c::Connection>(handle); }
c::Prepared prepared(void* handle) { return static_cast<c::Prepared>(handle); }
constexpr int select_statement = 1;

/// DuckDB turns a PIVOT that must look for its values into two statements.
QueryError wrong_number(const std::string& sql, c::Index statements) {
    if (statements == 0) return {ErrorClass::Permanent, "there is no SQL statement"};
    return {ErrorClass::Permanent, "only one SQL statement may stand here",
            lower_case(sql).find("pivot") == std::string::npos
                ? ""
                : "a PIVOT must list its values: PIVOT t ON column IN ('a', 'b') USING sum(x)"};
}
} // namespace

Statement::~Statement() {
    c::Prepared p = prepared(handle_);
    if (p != nullptr) c::api().destroy_prepare(&p);
}

std::vector<Column> Statement::columns() const {
    const c::Api& db = c::api();
    std::vector<Column> out;
    for (c::Index i = 0; i < db.prepared_statement_column_count(prepared(handle_)); ++i) {
        char* name = const_cast<char*>(db.prepared_statement_column_name(prepared(handle_), i));
        out.push_back({name, read_type(db.prepared_statement_column_logical_type(prepared(handle_), i))});
        db.free(name);
    }
    return out;
}

bool Statement::is_select() const { return c::api().prepared_statement_type(prepared(handle_)) == select_statement; }

std::vector<std::string> Statement::parameters() const {
    const c::Api& db = c::api();
    std::vector<std::string> out;
    for (c::Index i = 1; i <= db.nparams(prepared(handle_)); ++i) {
        char* name = const_cast<char*>(db.parameter_name(prepared(handle_), i));
        out.emplace_back(name == nullptr ? "" : name);
        db.free(name);
    }
    return out;
}

void Statement::bind(const Bindings& values) {
    const std::vector<std::string> names = parameters();
    for (std::size_t i = 0; i < names.size(); ++i) {
        const auto found = values.find(names[i]);
        if (found == values.end()) {
            std::string known;
            for (const auto& [name, value] : values) known += (known.empty() ? "$" : ", $") + name;
            throw Error(ErrorClass::Permanent, "the SQL uses $" + names[i] + ", which is no parameter here", "what there is: " + known);
        }
        if (c::api().bind_value(prepared(handle_), i + 1, static_cast<c::Value>(found->second.handle())) != c::Success)
            throw make_query_error(c::api().prepare_error(prepared(handle_)));
    }
}

Result Statement::run() {
    c::Pending pending = nullptr;
    (void)c::api().pending_prepared(prepared(handle_), &pending);
    return finish(pending);
}

Result Statement::stream() {
    c::Pending pending = nullptr;
    (void)c::api().pending_prepared_streaming(prepared(handle_), &pending);
    return finish(pending);
}

namespace {

/// Until the result is there; false: the query failed, and only `pending_error` says why. DuckDB's own wait burns a whole core while
/// its other threads finish the last pieces of work: this one sleeps, as long as an eighth of what it slept already.
bool work_off(c::Pending pending, c::Connection connection, const std::atomic<bool>& interrupted) {
    using std::chrono::microseconds;
    microseconds slept{0};
    for (;;) {
        if (interrupted) c::api().interrupt(connection);
        switch (c::api().pending_execute_task(pending)) {
        case c::ResultNotReady: slept = microseconds(0); break;
        case c::NoTasks: {
            const auto pause = std::clamp(slept / 8, microseconds(20), microseconds(1000));
            std::this_thread::sleep_for(pause);
            slept += pause;
            break;
        }
        case c::PendingError: return false;
        case c::ResultReady: return true;
        }
    }
}

} // namespace

Result Statement::finish(void* handle) {
    auto pending = static_cast<c::Pending>(handle);
    c::Result result{};
    const bool ready = work_off(pending, session(connection_), *interrupted_);
    if (!ready || c::api().execute_pending(pending, &result) != c::Success) {
        const char* text = ready ? c::api().result_error(&result) : c::api().pending_error(pending);
        const QueryError error = make_query_error(text != nullptr ? text : "unknown error");
        c::api().destroy_result(&result);
        c::api().destroy_pending(&pending);
        throw error;
    }
    c::api().destroy_pending(&pending);
    return Result(&result);
}

Connection::Connection(void* database) : handle_(nullptr) {
    c::Connection made = nullptr;
    if (c::api().connect(static_cast<c::Database>(database), &made) != c::Success)
        throw Error(ErrorClass::Resource, "DuckDB cannot open another session");
    handle_ = made;
}

Connection::~Connection() {
    c::Connection s = session(handle_);
    if (s != nullptr) c::api().disconnect(&s);
}

Result Connection::query(const std::string& sql) {
    if (*interrupted_) throw Error(ErrorClass::Cancelled, "the statement was interrupted");
    c::Result result;
    if (c::api().query(session(handle_), sql.c_str(), &result) != c::Success) {
        const char* text = c::api().result_error(&result);
        const QueryError error = make_query_error(text == nullptr ? "unknown error" : text);
        c::api().destroy_result(&result);
        throw error;
    }
    return Result(&result);
}

Statement Connection::prepare(const std::string& sql) {
    const c::Api& db = c::api();
    c::Extracted extracted = nullptr;
    const c::Index n = db.extract_statements(session(handle_), sql.c_str(), &extracted);
    if (n != 1) {
        const char* text = db.extract_statements_error(extracted);
        const bool parsed = text == nullptr || *text == '\0';
        const QueryError error = parsed ? wrong_number(sql, n) : make_query_error(text);
        db.destroy_extracted(&extracted);
        throw error;
    }
    c::Prepared made = nullptr;
    const c::State state = db.prepare_extracted_statement(session(handle_), extracted, 0, &made);
    db.destroy_extracted(&extracted);
    Statement statement(handle_, made, *interrupted_);
    if (state != c::Success) throw make_query_error(db.prepare_error(made));
    return statement;
}

void Connection::interrupt() {
    *interrupted_ = true;
    c::api().interrupt(session(handle_));
}

} // namespace millrace::duckdb
