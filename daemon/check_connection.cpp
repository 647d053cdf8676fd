#include "daemon/check_connection.hpp"

#include "daemon/host_conversation.hpp"
#include "daemon/managed_postgres.hpp"
#include "flows/error.hpp"
#include "flows/hash.hpp"
#include "flows/host_message.hpp"
#include "flows/time.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>

namespace millrace {
namespace fs = std::filesystem;
namespace {

/// Removed with everything in it at the end.
class ScratchFolder {
public:
    ScratchFolder() {
        auto name = (fs::temp_directory_path() / "millrace-check-XXXXXX").string();
        if (!mkdtemp(name.data()))
            throw Error(ErrorClass::Resource, "no scratch folder can be made in " + fs::temp_directory_path().string(),
                        "free some space there, or name another folder in TMPDIR");
        path = name;
    }
    ~ScratchFolder() {
        std::error_code ignored;
        fs::remove_all(path, ignored);
    }
    ScratchFolder(const ScratchFolder&) = delete;
    ScratchFolder& operator=(const ScratchFolder&) = delete;
    fs::path path;
};

/// What to do where the server at `url` does not let us in.
std::string postgres_remedy(const Configuration& configuration, const std::string& url) {
    const bool is_private = configuration.database.empty() && url == ManagedPostgres::url_of(configuration.state, "warehouse");
    if (!is_private) return "check the connection's `url`, and that the server runs";
    return ManagedPostgres::is_out_of_reach(configuration.state)
               ? "this private PostgreSQL is for its own user and root"
               : "this private PostgreSQL runs with the daemon: start it with `millrace up`";
}

ConnectionCheck check_postgres(const Configuration& configuration, const Json& connection) {
    const auto url = connection.at("url").get<std::string>();
    check_database_url(url);
    const std::string keys[] = {url, "5", "millrace"};
    const char* const names[] = {"dbname", "connect_timeout", "application_name", nullptr};
    const char* const values[] = {keys[0].c_str(), keys[1].c_str(), keys[2].c_str(), nullptr};
    const std::unique_ptr<PGconn, decltype(&PQfinish)> server(PQconnectdbParams(names, values, 1), PQfinish);
    if (PQstatus(server.get()) != CONNECTION_OK) {
        std::string why = PQerrorMessage(server.get());
        why = why.substr(0, why.find('\n')); // what follows asks whether the server runs
        return {false, why, postgres_remedy(configuration, url)};
    }
    const int version = PQserverVersion(server.get());
    return {
        true,
        fmt::format("PostgreSQL {}.{}, database {}, user {}", version / 10000, version % 10000, PQdb(server.get()), PQuser(server.get())),
        ""};
}

/// The resource that the spec names for this, else one that needs nothing to be asked.
const ResourceSpec* resource_to_ask(const SourceSpec& source) {
    const ResourceSpec* plain = nullptr;
    for (const auto& resource : source.resources) {
        const bool has_required =
            std::any_of(resource.params.begin(), resource.params.end(), [](const auto& param) { return param.required; });
        if (has_required) continue;
        if (resource.path == source.check_path) return &resource;
        if (!plain) plain = &resource;
    }
    return plain;
}

AttemptOrder extract_order(const std::string& name, const Json& connection, const SourceSpec& source, const ResourceSpec& resource,
                           const fs::path& scratch) {
    ExtractOptions options;
    options.connection = name;
    options.resource = resource.name;
    AttemptOrder order;
    order.id = 1;
    order.task = "check";
    order.verb = "extract";
    order.options = options;
    order.context.flow = "check";
    order.context.run_at = to_rfc3339(std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()));
    order.context.run_key = order.interval_key = order.batch_id = sha256_hex(scratch.string());
    order.context.limit_rows = 1;
    order.staging = (scratch / "staging").string();
    order.log = (scratch / "logs" / "log.ndjson").string(); // a run's folder is the one above its logs
    order.connections[name] = connection;
    order.source = source;
    order.source_file = place_of(source);
    for (const char* folder : {"staging", "logs"}) fs::create_directories(scratch / folder);
    return order;
}

ConnectionCheck check_source(const Configuration& configuration, const std::string& name, const Json& connection,
                             const SourceSpec& source) {
    const ResourceSpec* resource = resource_to_ask(source);
    if (!resource) return {false, fmt::format("no resource of {} can be asked without parameters", source.source), ""};
    const ScratchFolder scratch;
    HostConversation host(configuration.installation.bin / "millrace-host", "extract");
    host.send(to_line("attempt", extract_order(name, connection, source, *resource, scratch.path)));
    const auto done = host.next("done", std::chrono::minutes(2)).get<AttemptDone>();
    if (done.error) return {false, done.error->message, done.error->remedy};
    return {done.outcome == "completed",
            fmt::format("{}.{} answered ({} {})", source.source, resource->name, done.progress.requests,
                        done.progress.requests == 1 ? "request" : "requests"),
            ""};
}

} // namespace

ConnectionCheck check_connection(const Configuration& configuration, const std::string& name, const Json& connection) {
    const auto type = connection.at("type").get<std::string>();
    if (type == "postgres") return check_postgres(configuration, connection);
    if (const auto source = configuration.sources.find(type); source != configuration.sources.end())
        return check_source(configuration, name, connection, source->second);
    throw Error(ErrorClass::Permanent,
                fmt::format("connections of type {} cannot be checked: loading into them is not available yet", type));
}

} // namespace millrace
