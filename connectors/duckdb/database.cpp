#include "connectors/duckdb/database.hpp"

#include "connectors/duckdb/api.hpp"
#include "connectors/duckdb/query_error.hpp"
#include "connectors/sql_identifier.hpp"

namespace millrace::duckdb {
namespace {

/// Settings that must be there from the first moment.
c::Config make_config(const DatabaseOptions& o) {
    const c::Api& db = c::api();
    c::Config config = nullptr;
    if (db.create_config(&config) != c::Success) throw Error(ErrorClass::Resource, "DuckDB cannot make a configuration");
    const auto set = [&](const char* name, const std::string& value) {
        if (db.set_config(config, name, value.c_str()) == c::Success) return;
        db.destroy_config(&config);
        throw Error(ErrorClass::Permanent, "DuckDB " + library_version() + " refuses " + name + " = " + value, "use DuckDB 1.5: deploy/fetch-duckdb fetches it");
    };
    set("threads", std::to_string(o.threads < 1 ? 1 : o.threads));
    set("memory_limit", std::to_string(o.memory_bytes) + "B");
    set("preserve_insertion_order", o.keep_order ? "true" : "false");
    set("autoinstall_known_extensions", "false");
    set("autoload_known_extensions", "false");
    set("allow_community_extensions", "false");
    set("allow_persistent_secrets", "false");
    return config;
}

/// The cage is closed by SQL, in this order: the allowed folders first, the lock last.
std::string cage(const DatabaseOptions& o) {
    std::string sql = "SET GLOBAL TimeZone = 'UTC'; SET temp_directory = " + quote_literal(o.temp_folder) + "; SET allowed_directories = [";
    for (std::size_t i = 0; i < o.folders.size(); ++i) {
        const std::string& folder = o.folders[i];
        sql += (i == 0 ? "" : ", ") + quote_literal(folder.ends_with('/') ? folder : folder + "/");
    }
    return sql + "]; SET enable_external_access = false; SET GLOBAL errors_as_json = true; SET lock_configuration = true;";
}

} // namespace

Database::Database(const DatabaseOptions& options) : handle_(nullptr), options_(options) {
    const c::Api& db = c::api();
    c::Config config = make_config(options);
    c::Database opened = nullptr;
    char* error = nullptr;
    const c::State state = db.open_ext(nullptr, &opened, config, &error);
    db.destroy_config(&config);
    if (state != c::Success) {
        const std::string text = error == nullptr ? "unknown error" : error;
        db.free(error);
        throw Error(ErrorClass::Resource, "DuckDB cannot start: " + text);
    }
    handle_ = opened;
    try {
        Connection(handle_).query(cage(options));
    } catch (...) {
        db.close(&opened);
        handle_ = nullptr;
        throw;
    }
}

Database::~Database() {
    auto db = static_cast<c::Database>(handle_);
    if (db != nullptr) c::api().close(&db);
}

std::string library_version() { return c::api().library_version(); }

} // namespace millrace::duckdb
