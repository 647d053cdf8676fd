#include "connectors/duckdb/row_source.hpp"

#include "connectors/duckdb/api.hpp"
#include "connectors/duckdb/query_error.hpp"
#include "connectors/duckdb/type_reader.hpp"
#include "flows/sql_identifier.hpp"

#include <atomic>

namespace millrace::duckdb {
namespace {

/// A statement that reads nothing and has these columns: DuckDB itself reads the types.
std::string select_of(const std::vector<ColumnText>& columns) {
    std::string sql = "SELECT ";
    for (const ColumnText& column : columns) {
        if (sql.size() > 7) sql += ", ";
        sql += "CAST(NULL AS " + column.type + ") AS " + quote_identifier(column.name);
    }
    return sql;
}

} // namespace

std::vector<Column> resolve_columns(Connection& connection, const std::vector<ColumnText>& columns) {
    return connection.prepare(select_of(columns)).columns();
}

struct RowSource::State {
    Fill fill; ///< empty: nobody may pull any more
    std::vector<Column> columns;
    std::vector<c::LogicalType> types;
    std::vector<ColumnWriter> writers;
    std::exception_ptr failure;

    ~State() {
        for (c::LogicalType& type : types) c::api().destroy_logical_type(&type);
    }

    static State& of(void* info) { return **static_cast<std::shared_ptr<State>*>(info); }
    static void release(void* info) { delete static_cast<std::shared_ptr<State>*>(info); }

    static void bind(c::BindCall call) {
        State& state = of(c::api().bind_get_extra_info(call));
        for (std::size_t i = 0; i < state.columns.size(); ++i)
            c::api().bind_add_result_column(call, state.columns[i].name.c_str(), state.types[i]);
    }
    static void init(c::InitCall call) { c::api().init_set_max_threads(call, 1); }
    static void pull(c::FillCall call, c::Chunk chunk);
};

void RowSource::State::pull(c::FillCall call, c::Chunk chunk) {
    const c::Api& db = c::api();
    State& state = of(db.function_get_extra_info(call));
    try {
        if (!state.fill) throw Error(ErrorClass::Permanent, "rows were asked for after their source had gone");
        for (std::size_t i = 0; i < state.writers.size(); ++i) state.writers[i].begin(db.data_chunk_get_vector(chunk, i));
        const std::uint64_t rows = state.fill(state.writers, db.vector_size());
        for (ColumnWriter& writer : state.writers) writer.finish();
        db.data_chunk_set_size(chunk, rows);
    } catch (const std::exception& e) {
        state.failure = std::current_exception();
        db.data_chunk_set_size(chunk, 0);
        db.function_set_error(call, e.what());
    }
}

RowSource::RowSource(Connection& connection, const std::vector<ColumnText>& columns, Fill fill) : state_(std::make_shared<State>()) {
    static std::atomic<std::uint64_t> number{0};
    name_ = "millrace_rows_" + std::to_string(++number);
    const c::Api& db = c::api();
    const Statement statement = connection.prepare(select_of(columns));
    state_->columns = statement.columns();
    for (std::size_t i = 0; i < columns.size(); ++i)
        state_->types.push_back(db.prepared_statement_column_logical_type(static_cast<c::Prepared>(statement.handle()), i));
    for (const Column& column : state_->columns) state_->writers.emplace_back(column.type);
    state_->fill = std::move(fill);

    c::TableFunction function = db.create_table_function();
    db.table_function_set_name(function, name_.c_str());
    db.table_function_set_extra_info(function, new std::shared_ptr<State>(state_), &State::release);
    db.table_function_set_bind(function, &State::bind);
    db.table_function_set_init(function, &State::init);
    db.table_function_set_function(function, &State::pull);
    const c::State registered = db.register_table_function(static_cast<c::Connection>(connection.handle()), function);
    db.destroy_table_function(&function);
    if (registered != c::Success) throw Error(ErrorClass::Resource, "DuckDB refuses the table function " + name_);
}

RowSource::~RowSource() { state_->fill = nullptr; }

std::string RowSource::sql() const { return name_ + "()"; }
const std::vector<Column>& RowSource::columns() const { return state_->columns; }
void RowSource::rethrow() const {
    if (state_->failure) std::rethrow_exception(state_->failure);
}

} // namespace millrace::duckdb
