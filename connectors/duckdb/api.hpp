/// The functions of DuckDB's C API (version 1, stable) that we use, as pointers into libduckdb.so.
///
/// DuckDB ships no header with the library that we fetch, and only hosts may load it: so the few declarations that we
/// need stand here, the library is opened when it is first needed, and a test finds every symbol. Nothing outside
/// connectors/duckdb/ includes this file.
#pragma once

#include <cstdint>

namespace millrace::duckdb::c {

using Index = std::uint64_t;
enum State : int { Success = 0, Failure = 1 };

using Database = struct DatabaseHandle*;
using Connection = struct ConnectionHandle*;
using Config = struct ConfigHandle*;
using Prepared = struct PreparedHandle*;
using Extracted = struct ExtractedHandle*;
using Pending = struct PendingHandle*;
using Chunk = struct ChunkHandle*;
using Vector = struct VectorHandle*;
using LogicalType = struct LogicalTypeHandle*;
using Value = struct ValueHandle*;
using TableFunction = struct TableFunctionHandle*;
using BindCall = struct BindCallHandle*; ///< duckdb_bind_info
using InitCall = struct InitCallHandle*; ///< duckdb_init_info
using FillCall = struct FillCallHandle*; ///< duckdb_function_info

/// duckdb_result: passed by pointer, by value to fetch_chunk.
struct Result {
    Index deprecated_columns = 0, deprecated_rows = 0, deprecated_changed = 0;
    void* deprecated_data = nullptr;
    char* deprecated_error = nullptr;
    void* internal = nullptr;
};

/// duckdb_string_t: up to 12 bytes lie inside, longer ones behind the pointer.
union String {
    struct {
        std::uint32_t length;
        char prefix[4];
        const char* data;
    } pointer;
    struct {
        std::uint32_t length;
        char bytes[12];
    } inlined;
};
static_assert(sizeof(String) == 16);

struct ListEntry {
    std::uint64_t offset, length;
};
struct Hugeint {
    std::uint64_t lower;
    std::int64_t upper;
};
struct Interval {
    std::int32_t months, days;
    std::int64_t micros;
};
struct Decimal {
    std::uint8_t width, scale;
    Hugeint value;
};

enum PendingState : int { ResultReady = 0, ResultNotReady = 1, PendingError = 2, NoTasks = 3 };

/// Everything that is called. The member's name is the C name without `duckdb_`.
struct Api {
    const char* (*library_version)();
    void (*free)(void*);

    State (*create_config)(Config*);
    State (*set_config)(Config, const char* name, const char* option);
    void (*destroy_config)(Config*);
    State (*open_ext)(const char* path, Database*, Config, char** error);
    void (*close)(Database*);
    State (*connect)(Database, Connection*);
    void (*disconnect)(Connection*);
    void (*interrupt)(Connection);

    State (*query)(Connection, const char* sql, Result*);
    Index (*extract_statements)(Connection, const char* sql, Extracted*);
    const char* (*extract_statements_error)(Extracted);
    State (*prepare_extracted_statement)(Connection, Extracted, Index, Prepared*);
    void (*destroy_extracted)(Extracted*);
    const char* (*prepare_error)(Prepared);
    void (*destroy_prepare)(Prepared*);
    Index (*nparams)(Prepared);
    const char* (*parameter_name)(Prepared, Index);
    State (*bind_value)(Prepared, Index, Value);
    Index (*prepared_statement_column_count)(Prepared);
    const char* (*prepared_statement_column_name)(Prepared, Index);
    LogicalType (*prepared_statement_column_logical_type)(Prepared, Index);
    int (*prepared_statement_type)(Prepared);
    State (*pending_prepared_streaming)(Prepared, Pending*);
    State (*pending_prepared)(Prepared, Pending*);
    PendingState (*pending_execute_task)(Pending);
    const char* (*pending_error)(Pending);
    State (*execute_pending)(Pending, Result*);
    void (*destroy_pending)(Pending*);

    const char* (*result_error)(Result*);
    int (*result_error_type)(Result*);
    void (*destroy_result)(Result*);
    Index (*column_count)(Result*);
    const char* (*column_name)(Result*, Index);
    LogicalType (*column_logical_type)(Result*, Index);
    Index (*rows_changed)(Result*);
    Chunk (*fetch_chunk)(Result);

    Index (*data_chunk_get_size)(Chunk);
    Vector (*data_chunk_get_vector)(Chunk, Index);
    void (*destroy_data_chunk)(Chunk*);
    void* (*vector_get_data)(Vector);
    std::uint64_t* (*vector_get_validity)(Vector);
    Vector (*list_vector_get_child)(Vector);
    Vector (*struct_vector_get_child)(Vector, Index);
    Vector (*array_vector_get_child)(Vector);

    int (*get_type_id)(LogicalType);
    char* (*logical_type_get_alias)(LogicalType);
    std::uint8_t (*decimal_width)(LogicalType);
    std::uint8_t (*decimal_scale)(LogicalType);
    int (*decimal_internal_type)(LogicalType);
    int (*enum_internal_type)(LogicalType);
    std::uint32_t (*enum_dictionary_size)(LogicalType);
    char* (*enum_dictionary_value)(LogicalType, Index);
    LogicalType (*list_type_child_type)(LogicalType);
    LogicalType (*array_type_child_type)(LogicalType);
    Index (*array_type_array_size)(LogicalType);
    LogicalType (*map_type_key_type)(LogicalType);
    LogicalType (*map_type_value_type)(LogicalType);
    Index (*struct_type_child_count)(LogicalType);
    char* (*struct_type_child_name)(LogicalType, Index);
    LogicalType (*struct_type_child_type)(LogicalType, Index);
    void (*destroy_logical_type)(LogicalType*);

    LogicalType (*create_logical_type)(int);
    LogicalType (*create_list_type)(LogicalType);
    Value (*create_null_value)();
    Value (*create_bool)(bool);
    Value (*create_int64)(std::int64_t);
    Value (*create_double)(double);
    Value (*create_varchar_length)(const char*, Index);
    Value (*create_timestamp_tz)(std::int64_t micros);
    Value (*create_date)(std::int32_t days);
    Value (*create_decimal)(Decimal);
    Value (*create_list_value)(LogicalType, Value*, Index);
    void (*destroy_value)(Value*);

    TableFunction (*create_table_function)();
    void (*destroy_table_function)(TableFunction*);
    void (*table_function_set_name)(TableFunction, const char*);
    void (*table_function_set_extra_info)(TableFunction, void*, void (*destroy)(void*));
    void (*table_function_set_bind)(TableFunction, void (*)(BindCall));
    void (*table_function_set_init)(TableFunction, void (*)(InitCall));
    void (*table_function_set_function)(TableFunction, void (*)(FillCall, Chunk));
    State (*register_table_function)(Connection, TableFunction);
    void* (*bind_get_extra_info)(BindCall);
    void (*bind_add_result_column)(BindCall, const char* name, LogicalType);
    void (*bind_set_error)(BindCall, const char*);
    void (*init_set_max_threads)(InitCall, Index);
    void* (*function_get_extra_info)(FillCall);
    void (*function_set_error)(FillCall, const char*);
    Index (*vector_size)();
    void (*data_chunk_set_size)(Chunk, Index);
    void (*vector_ensure_validity_writable)(Vector);
    void (*vector_assign_string_element_len)(Vector, Index row, const char*, Index length);
    State (*list_vector_reserve)(Vector, Index capacity);
    State (*list_vector_set_size)(Vector, Index size);
};

/// The loaded library. The first call opens it; looks at $MILLRACE_DUCKDB, beside the executable, in ../lib/millrace, then where
/// the system looks. Throws Error{Permanent} that lists the places, or names the missing symbol.
[[nodiscard]] const Api& api();

} // namespace millrace::duckdb::c
