#include "connectors/duckdb/database.hpp"

#include "connectors/duckdb/api.hpp"
#include "connectors/duckdb/query_error.hpp"
#include "flows/sql_identifier.hpp"

#include <cerrno>
#include <cstdlib>
#include <filesystem>

namespace millrace::duckdb {
namespace {

/// Settings that must be there from the first moment.
constexpr std::pair<const char*, const char*> first_settings[] = {{"threads", "1"},
                                                                  {"autoinstall_known_extensions", "false"},
                                                                  {"autoload_known_extensions", "false"},
                                                                  {"allow_community_extensions", "false"},
                                                                  {"allow_persistent_secrets", "false"}};

c::Config make_config() {
    const c::Api& db = c::api();
    c::Config config = nullptr;
    if (db.create_config(&config) != c::Success) throw Error(ErrorClass::Resource, "DuckDB cannot make a configuration");
    for (const auto& [name, value] : first_settings) {
        if (db.set_config(config, name, value) == c::Success) continue;
        db.destroy_config(&config);
        throw Error(ErrorClass::Permanent, "DuckDB " + library_version() + " refuses " + name + " = " + value,
                    "use DuckDB 1.5: deploy/fetch-duckdb fetches it");
    }
    return config;
}

/// What this database may use; the cage is closed last, in this order: the allowed folders first, the lock at the end.
std::string settings(const DatabaseOptions& o, const std::string& spill) {
    std::string sql =
        "SET GLOBAL threads = " + std::to_string(o.threads < 1 ? 1 : o.threads) + "; SET GLOBAL memory_limit = '" +
        std::to_string(o.memory_bytes) + "B'; SET GLOBAL preserve_insertion_order = " + (o.keep_order ? "true" : "false") +
        "; SET GLOBAL allocator_flush_threshold = '16MB'; SET GLOBAL TimeZone = 'UTC'; SET temp_directory = " + quote_literal(spill) +
        "; SET allowed_directories = [";
    for (std::size_t i = 0; i < o.folders.size(); ++i) {
        const std::string& folder = o.folders[i];
        sql += (i == 0 ? "" : ", ") + quote_literal(folder.ends_with('/') ? folder : folder + "/");
    }
    return sql + "]; SET enable_external_access = false; SET GLOBAL errors_as_json = true; SET allowed_configs = ['TimeZone']; "
                 "SET lock_configuration = true;";
}

std::string make_spill_folder(const std::string& below) {
    if (below.empty()) return "";
    std::error_code code;
    std::filesystem::create_directories(below, code);
    std::string name = below + "/duckdb-XXXXXX";
    if (!code && ::mkdtemp(name.data()) == nullptr) code.assign(errno, std::generic_category());
    if (code) throw Error(ErrorClass::Resource, "cannot make a folder below " + below + ": " + code.message());
    return name;
}

} // namespace

EmptyDatabase::EmptyDatabase() : handle_(nullptr) {
    const c::Api& db = c::api();
    c::Config config = make_config();
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
}

EmptyDatabase::~EmptyDatabase() {
    auto db = static_cast<c::Database>(handle_);
    if (db != nullptr) c::api().close(&db);
}

Database::Database(const DatabaseOptions& options, EmptyDatabase empty)
    : spill_{make_spill_folder(options.temp_folder)}, database_(std::move(empty)), options_(options) {
    connect().query(settings(options, spill_.path));
}

Connection Database::connect(const std::string& zone) const {
    Connection session(database_.handle_);
    if (zone != "UTC") session.query("SET SESSION TimeZone = " + quote_literal(zone));
    return session;
}

SpillFolder::~SpillFolder() {
    std::error_code ignored;
    if (!path.empty()) std::filesystem::remove_all(path, ignored);
}

std::string library_version() { return c::api().library_version(); }

} // namespace millrace::duckdb
