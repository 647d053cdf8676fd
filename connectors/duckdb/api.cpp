#include "connectors/duckdb/api.hpp"

#include "flows/error.hpp"

#include <cstdlib>
#include <dlfcn.h>
#include <filesystem>
#include <string>
#include <vector>

namespace millrace::duckdb::c {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> places() {
    if (const char* named = std::getenv("MILLRACE_DUCKDB"); named != nullptr && *named != '\0') return {named};
    std::error_code none;
    const fs::path beside = fs::read_symlink("/proc/self/exe", none).parent_path();
    return {beside / "libduckdb.so", beside / "../lib/millrace/libduckdb.so", "libduckdb.so"};
}

void* open_library() {
    std::string tried;
    for (const std::string& place : places()) {
        if (void* library = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
        tried += (tried.empty() ? "" : "; ") + std::string(dlerror());
    }
    throw Error(ErrorClass::Permanent, "DuckDB's library cannot be loaded: " + tried,
                "run deploy/fetch-duckdb, or name a libduckdb.so in MILLRACE_DUCKDB");
}

template <class Function>
void find(void* library, const char* name, Function*& pointer) {
    std::string symbol = "duckdb_";
    symbol += name;
    pointer = reinterpret_cast<Function*>(dlsym(library, symbol.c_str()));
    if (pointer == nullptr)
        throw Error(ErrorClass::Permanent, "DuckDB's library lacks " + symbol, "use DuckDB 1.5: deploy/fetch-duckdb fetches it");
}

Api load() {
    void* library = open_library();
    Api a{};
    find(library, "library_version", a.library_version);
    find(library, "free", a.free);
    find(library, "create_config", a.create_config);
    find(library, "set_config", a.set_config);
    find(library, "destroy_config", a.destroy_config);
    find(library, "open_ext", a.open_ext);
    find(library, "close", a.close);
    find(library, "connect", a.connect);
    find(library, "disconnect", a.disconnect);
    find(library, "interrupt", a.interrupt);
    find(library, "query", a.query);
    find(library, "extract_statements", a.extract_statements);
    find(library, "extract_statements_error", a.extract_statements_error);
    find(library, "prepare_extracted_statement", a.prepare_extracted_statement);
    find(library, "destroy_extracted", a.destroy_extracted);
    find(library, "prepare_error", a.prepare_error);
    find(library, "destroy_prepare", a.destroy_prepare);
    find(library, "nparams", a.nparams);
    find(library, "parameter_name", a.parameter_name);
    find(library, "bind_value", a.bind_value);
    find(library, "prepared_statement_column_count", a.prepared_statement_column_count);
    find(library, "prepared_statement_column_name", a.prepared_statement_column_name);
    find(library, "prepared_statement_column_logical_type", a.prepared_statement_column_logical_type);
    find(library, "prepared_statement_type", a.prepared_statement_type);
    find(library, "pending_prepared_streaming", a.pending_prepared_streaming);
    find(library, "pending_prepared", a.pending_prepared);
    find(library, "pending_execute_task", a.pending_execute_task);
    find(library, "pending_error", a.pending_error);
    find(library, "execute_pending", a.execute_pending);
    find(library, "destroy_pending", a.destroy_pending);
    find(library, "result_error", a.result_error);
    find(library, "result_error_type", a.result_error_type);
    find(library, "destroy_result", a.destroy_result);
    find(library, "column_count", a.column_count);
    find(library, "column_name", a.column_name);
    find(library, "column_logical_type", a.column_logical_type);
    find(library, "rows_changed", a.rows_changed);
    find(library, "fetch_chunk", a.fetch_chunk);
    find(library, "data_chunk_get_size", a.data_chunk_get_size);
    find(library, "data_chunk_get_vector", a.data_chunk_get_vector);
    find(library, "destroy_data_chunk", a.destroy_data_chunk);
    find(library, "vector_get_data", a.vector_get_data);
    find(library, "vector_get_validity", a.vector_get_validity);
    find(library, "list_vector_get_child", a.list_vector_get_child);
    find(library, "struct_vector_get_child", a.struct_vector_get_child);
    find(library, "array_vector_get_child", a.array_vector_get_child);
    find(library, "get_type_id", a.get_type_id);
    find(library, "logical_type_get_alias", a.logical_type_get_alias);
    find(library, "decimal_width", a.decimal_width);
    find(library, "decimal_scale", a.decimal_scale);
    find(library, "decimal_internal_type", a.decimal_internal_type);
    find(library, "enum_internal_type", a.enum_internal_type);
    find(library, "enum_dictionary_size", a.enum_dictionary_size);
    find(library, "enum_dictionary_value", a.enum_dictionary_value);
    find(library, "list_type_child_type", a.list_type_child_type);
    find(library, "array_type_child_type", a.array_type_child_type);
    find(library, "array_type_array_size", a.array_type_array_size);
    find(library, "map_type_key_type", a.map_type_key_type);
    find(library, "map_type_value_type", a.map_type_value_type);
    find(library, "struct_type_child_count", a.struct_type_child_count);
    find(library, "struct_type_child_name", a.struct_type_child_name);
    find(library, "struct_type_child_type", a.struct_type_child_type);
    find(library, "destroy_logical_type", a.destroy_logical_type);
    find(library, "create_logical_type", a.create_logical_type);
    find(library, "create_list_type", a.create_list_type);
    find(library, "create_null_value", a.create_null_value);
    find(library, "create_bool", a.create_bool);
    find(library, "create_int64", a.create_int64);
    find(library, "create_double", a.create_double);
    find(library, "create_varchar_length", a.create_varchar_length);
    find(library, "create_timestamp_tz", a.create_timestamp_tz);
    find(library, "create_date", a.create_date);
    find(library, "create_decimal", a.create_decimal);
    find(library, "create_list_value", a.create_list_value);
    find(library, "destroy_value", a.destroy_value);
    find(library, "create_table_function", a.create_table_function);
    find(library, "destroy_table_function", a.destroy_table_function);
    find(library, "table_function_set_name", a.table_function_set_name);
    find(library, "table_function_set_extra_info", a.table_function_set_extra_info);
    find(library, "table_function_set_bind", a.table_function_set_bind);
    find(library, "table_function_set_init", a.table_function_set_init);
    find(library, "table_function_set_function", a.table_function_set_function);
    find(library, "register_table_function", a.register_table_function);
    find(library, "bind_get_extra_info", a.bind_get_extra_info);
    find(library, "bind_add_result_column", a.bind_add_result_column);
    find(library, "bind_set_error", a.bind_set_error);
    find(library, "init_set_max_threads", a.init_set_max_threads);
    find(library, "function_get_extra_info", a.function_get_extra_info);
    find(library, "function_set_error", a.function_set_error);
    find(library, "vector_size", a.vector_size);
    find(library, "data_chunk_set_size", a.data_chunk_set_size);
    find(library, "vector_ensure_validity_writable", a.vector_ensure_validity_writable);
    find(library, "vector_assign_string_element_len", a.vector_assign_string_element_len);
    find(library, "list_vector_reserve", a.list_vector_reserve);
    find(library, "list_vector_set_size", a.list_vector_set_size);
    return a;
}

} // namespace

const Api& api() {
    static const Api loaded = load();
    return loaded;
}

} // namespace millrace::duckdb::c
