/// `millrace doctor`: what is needed, whether it is there, and what to do where it is not.
#include "daemon/cli/commands.hpp"

#include "daemon/cli/asked_installation.hpp"
#include "daemon/cli/daemon_findings.hpp"
#include "daemon/cli/format.hpp"
#include "daemon/cli/history_findings.hpp"
#include "daemon/cli/project_flows.hpp"
#include "daemon/cli/told_lately.hpp"
#include "daemon/demo_sandbox.hpp"
#include "daemon/inference_host.hpp"
#include "daemon/managed_postgres.hpp"
#include "flows/error.hpp"
#include "flows/version.hpp"
#include "scheduler/disk_guard.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <iostream>
#include <memory>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

namespace millrace {
namespace fs = std::filesystem;
namespace {

/// Whose findings these are.
Finding check_installation(Cli& cli, const Json& other) {
    const auto ours = installation_text(cli.configuration());
    if (other.is_null()) return {"installation", true, ours, ""};
    return {"installation", true,
            fmt::format("that of the daemon that answers: {}", installation_text(text_of(other, "state"), text_of(other, "file"))),
            fmt::format("not looked at: {}, where a start from this folder would be", ours)};
}

Finding check_configuration(Cli& cli) {
    const auto& configuration = cli.configuration();
    for (const auto& folder : configuration.flows)
        if (!fs::is_directory(folder))
            return {"configuration", false, fmt::format("the flow folder {} is not there", folder.string()),
                    "make it, or change `flows:` in millrace.yaml"};
    return {"configuration", true,
            configuration.file.empty() ? "no millrace.yaml: connections come from the environment" : configuration.file.string(), ""};
}

bool is_own(const fs::path& folder) {
    struct stat about {};
    return ::stat(folder.c_str(), &about) == 0 && about.st_uid == ::geteuid();
}

/// The folder, or that on the way to it in which it would be made.
fs::path existing_part_of(fs::path folder) {
    std::error_code failure;
    while (!fs::exists(folder, failure) && folder.has_parent_path() && folder != folder.parent_path()) folder = folder.parent_path();
    return folder;
}

Finding cannot_be_written(const char* name, const fs::path& folder, const char* setting) {
    return {name, false, fmt::format("{} cannot be written by this user", folder.string()),
            fmt::format("{}choose another with {}", is_own(folder) ? fmt::format("chmod u+rwx {}, or ", folder.string()) : "", setting)};
}

Finding check_state(Cli& cli) {
    const auto& state = cli.configuration().state;
    const auto existing = existing_part_of(state), staging = existing_part_of(cli.configuration().staging);
    const bool is_others = access(existing.c_str(), X_OK) == 0 && !is_own(existing); // such as a service's, asked by one of its readers
    if (access(existing.c_str(), W_OK | X_OK) != 0 && !is_others)
        return cannot_be_written("state", existing, "`state:` in millrace.yaml or MILLRACE_STATE");
    if (access(staging.c_str(), W_OK | X_OK) != 0 && !is_others)
        return cannot_be_written("staging", staging, "`staging:` in millrace.yaml");
    for (const auto& [name, folder] : {std::pair("state", existing), std::pair("staging", staging)})
        if (const auto disk = disk_space(folder.string()); disk && disk->free < enough_free(*disk))
            return {name, false, told_shortage(*disk, folder.string()),
                    "free space there, or give the disk more: until then task runs wait (WaitingForDisk)"};
    const auto disk = disk_space(existing.string());
    const auto free = disk ? fmt::format(", {:.1f} GB free", static_cast<double>(disk->free) / 1e9) : "";
    return {"state", true, state.string() + free, left_state(cli.configuration())};
}

/// Prepares a statement in a host, which loads DuckDB.
Finding check_host(Cli& cli) {
    const auto program = cli.configuration().installation.bin / "millrace-host";
    try {
        InferOrder order;
        order.id = 1;
        order.tasks.push_back({"one", "select 1 as one", {}, true, {}});
        InferenceHost host(program);
        const auto reply = host.infer(order);
        if (reply.tasks.size() == 1 && reply.tasks.front().error.empty()) return {"host", true, program.string() + " prepares SQL", ""};
        return {"host", false, reply.tasks.empty() ? "no answer" : reply.tasks.front().error,
                "run deploy/fetch-duckdb, or name a libduckdb.so in MILLRACE_DUCKDB"};
    } catch (const Error& error) {
        return {"host", false, error.what(), error.remedy};
    }
}

Finding check_store(Cli& cli) {
    const auto& configuration = cli.configuration();
    const bool is_private = configuration.database.empty();
    const auto url = is_private ? ManagedPostgres::url_of(configuration.state, "millrace") : configuration.database;
    try {
        check_database_url(url);
    } catch (const Error& error) {
        return {"store", false, error.what(), error.remedy};
    }
    const char* const names[] = {"dbname", "connect_timeout", nullptr};
    const char* const values[] = {url.c_str(), "5", nullptr};
    const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdbParams(names, values, 1), PQfinish);
    if (PQstatus(connection.get()) == CONNECTION_OK) {
        const int version = PQserverVersion(connection.get());
        return {"store", true, fmt::format("PostgreSQL {}.{}{}", version / 10000, version % 10000, is_private ? ", private" : ""), ""};
    }
    std::string why = PQerrorMessage(connection.get());
    why = why.substr(0, why.find('\n')); // what follows asks whether the server runs
    if (is_private && ManagedPostgres::is_out_of_reach(configuration.state))
        return {"store", false, "the private PostgreSQL is for its own user and root", as_root(cli, configuration, "doctor")};
    if (is_private)
        return {"store", false, "the private PostgreSQL does not answer: " + why,
                "it starts with the daemon: millrace up, or systemctl start millrace"};
    return {"store", false, why, "check `database:` in millrace.yaml or MILLRACE_DATABASE"};
}

/// Of a daemon whose database we may not be let into.
Finding store_of_daemon(const Json& facts) {
    return {"store", true, fmt::format("PostgreSQL {}, as the daemon says", text_of(facts.at("store"), "server")), ""};
}

Finding check_daemon(Cli& cli, Json& facts) {
    try {
        const auto api = cli.api();
        cli.says_whose_answer();
        const auto health = api.get("/healthz");
        const auto running = text_of(health, "version");
        facts = api.get("/api/v1/doctor");
        if (running != version)
            return {"daemon", false, fmt::format("the daemon is {}, this program {}", running, version), "restart the daemon"};
        return {"daemon", true,
                fmt::format("{} answers at {}", running, api.address().socket.empty() ? api.address().url : api.address().socket), ""};
    } catch (const Unreachable& error) {
        return {"daemon", false, error.what(),
                error.remedy.empty() ? "start one with `millrace up` or `systemctl start millrace`" : error.remedy};
    } catch (const ApiError& error) {
        return {"daemon", false, error.what(), error.remedy};
    }
}

/// What the daemon took, beside what is written now.
void check_settings(Cli& cli, const Json& facts, std::vector<Finding>& findings) {
    if (!facts.contains("settings")) return;
    const auto& settings = facts.at("settings");
    if (settings_are_ahead(cli.configuration(), settings)) {
        findings.push_back({"settings", true, "millrace.yaml was changed after the daemon took it", "put it in force: millrace deploy"});
    } else if (const auto waiting = list_of(settings, "needs_restart"); !waiting.empty()) {
        std::vector<std::string> names;
        for (const auto& name : waiting) names.push_back(fmt::format("`{}`", name.get<std::string>()));
        findings.push_back({"settings", true, fmt::format("the daemon was started with another {}", fmt::join(names, ", ")),
                            "start it again to apply what millrace.yaml says now"});
    }
}

/// What declared connections, and those of deployed flows, lack: as the daemon sees it, whose environment may be another, else as we do.
void check_connections(Cli& cli, const Json& facts, std::vector<Finding>& findings) {
    const auto& configuration = cli.configuration();
    if (const auto settings = facts.find("settings"); settings != facts.end()) {
        for (const auto& lack : list_of(*settings, "missing"))
            findings.push_back({"connections", false, lack_text(lack), text_of(lack, "remedy")});
    } else {
        use_sandbox(configuration);
        for (const auto& lack : ConfiguredConnections(configuration, "").lacks())
            findings.push_back({"connections", false, lack.message, lack.remedy});
    }
}

/// What is not as flows expect: the daemon is well all the same.
void check_expectations(const Json& facts, std::vector<Finding>& findings) {
    constexpr std::size_t most = 10;
    const auto attention = facts.value("attention", Json::object());
    std::size_t told = 0;
    for (const auto& [flow, list] : attention.items())
        for (const auto& one : list)
            if (told++ < most)
                findings.push_back({"expectations", true, attention_text(flow, one),
                                    fmt::format("millrace {} show {}", one.at("run_id").is_null() ? "flows" : "runs",
                                                one.at("run_id").is_null() ? flow : text_of(one, "run_id"))});
    if (told > most) findings.push_back({"expectations", true, fmt::format("and {} more", told - most), "millrace flows list"});
}

/// Without settings nothing but the daemon can be looked for, and that only where they say where it is.
std::vector<Finding> findings_in_spite_of(const Error& mistakes, Cli& cli, Json& facts) {
    std::vector<Finding> findings{
        {"configuration", false, mistakes.what(),
         mistakes.remedy.empty() ? "correct it; a daemon that runs keeps the settings that it has" : mistakes.remedy}};
    cli.tells_mistakes();
    try {
        findings.push_back(check_daemon(cli, facts));
    } catch (const Error& error) {
        findings.push_back({"daemon", false, "where it is cannot be read", error.remedy});
    }
    return findings;
}

std::vector<Finding> findings_of(Cli& cli, Json& facts) {
    try {
        (void)cli.configuration();
    } catch (const Error& error) {
        return findings_in_spite_of(error, cli, facts);
    }
    const auto daemon = check_daemon(cli, facts);
    const auto other = other_installation(cli.configuration(), facts.is_object() ? facts.value("settings", Json()) : Json());
    std::vector<Finding> findings{check_installation(cli, other)};
    if (other.is_null()) findings.insert(findings.end(), {check_configuration(cli), check_state(cli)});
    findings.push_back(check_host(cli));
    findings.push_back(other.is_null() ? check_store(cli) : store_of_daemon(facts));
    findings.push_back(daemon);
    if (facts.is_object())
        for (auto& finding : daemon_findings(facts)) findings.push_back(std::move(finding));
    if (facts.is_object() && facts.contains("history"))
        for (auto& finding : history_findings(facts.at("history"), now())) findings.push_back(std::move(finding));
    check_settings(cli, facts, findings);
    check_connections(cli, facts, findings);
    if (facts.is_object()) check_expectations(facts, findings);
    return findings;
}

/// `text` may have several lines; all but the first are indented.
std::string indented(const std::string& text) {
    std::istringstream lines(text);
    std::string out, line;
    while (std::getline(lines, line)) out += (out.empty() ? "" : "\n" + std::string(22, ' ')) + printable(line);
    return out;
}

void write_finding(const Cli& cli, const Finding& finding) {
    const auto [word, paint] = !finding.ok              ? std::pair("failed", Paint::Red)
                               : finding.remedy.empty() ? std::pair("ok    ", Paint::Green)
                                                        : std::pair("note  ", Paint::Yellow);
    std::cout << cli.out.painted(word, paint) << "  " << fmt::format("{:<14}", finding.name) << indented(finding.message) << '\n';
    if (!finding.remedy.empty()) std::cout << fmt::format("{:22}", "") << indented(finding.remedy) << '\n';
}

int doctor(Cli& cli) {
    Json facts;
    const auto findings = findings_of(cli, facts);
    bool ok = true;
    Json checks = Json::array();
    for (const auto& finding : findings) {
        ok = ok && finding.ok;
        checks.push_back({{"name", finding.name}, {"ok", finding.ok}, {"message", finding.message}, {"remedy", finding.remedy}});
        if (!cli.json) write_finding(cli, finding);
    }
    if (cli.json)
        Cli::print({{"ok", ok}, {"checks", checks}, {"daemon", facts}});
    else if (facts.is_object())
        write_told_lately(std::cout, cli.out, list_of(facts, "events"));
    return ok ? exit_done : exit_failed;
}

} // namespace

void add_doctor_command(CLI::App& app, Cli& cli) {
    on_call(app.add_subcommand("doctor", "What is needed, whether it is there, and what to do where it is not"), cli,
            [&cli] { return doctor(cli); });
}

} // namespace millrace
