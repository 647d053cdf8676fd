#include "flows/project_files.hpp"

#include <catch2/catch.hpp>

#include <fmt/format.h>

using namespace millrace;

namespace {

const std::string root = MILLRACE_SOURCE_DIR;

std::string first_mistake(const std::string& yaml) {
    const SourceText source("s.yaml", yaml);
    Diagnostics diagnostics(source);
    const bool parsed = parse_source(source, diagnostics).has_value();
    const auto all = diagnostics.sorted();
    CHECK(parsed == all.empty());
    return all.empty() ? "" : std::to_string(all[0].line) + " " + all[0].message + " = " + all[0].hint;
}

std::vector<Diagnostic> project_mistakes(const std::string& yaml) {
    std::vector<Diagnostic> ignored;
    const auto sources = read_sources(root + "/connectors/sources", ignored);
    const SourceText source("millrace.yaml", yaml);
    Diagnostics diagnostics(source);
    (void)parse_project(source, sources, diagnostics);
    return diagnostics.sorted();
}

std::string project_mistake(const std::string& yaml) {
    const auto all = project_mistakes(yaml);
    return all.empty() ? "" : std::to_string(all[0].line) + " " + all[0].message + " = " + all[0].hint;
}

} // namespace

TEST_CASE("source: every shipped spec parses") {
    std::vector<Diagnostic> diagnostics;
    const auto sources = read_sources(root + "/connectors/sources", diagnostics);
    for (const auto& d : diagnostics) UNSCOPED_INFO(to_text(d));
    REQUIRE(diagnostics.empty());
    const auto& clockify = sources.at("clockify");
    CHECK(clockify.auth.header == "X-Api-Key");
    const auto& clients =
        *std::find_if(clockify.resources.begin(), clockify.resources.end(), [](const ResourceSpec& r) { return r.name == "clients"; });
    CHECK(clients.paging.size == 50);
    CHECK(clients.key == std::vector<std::string>{"id"});
    CHECK(clients.columns.front().type == "VARCHAR");
    CHECK(Json(clockify).get<SourceSpec>().resources.size() == clockify.resources.size());
}

TEST_CASE("source: mistakes have their place and a hint") {
    const std::string head = "source: s\nconnection: {key: {secret: true}}\n";
    CHECK(first_mistake(head + "resources:\n  r: {path: /x, colums: {id: text}}\n") ==
          "4 the resource 'r' has no key 'colums' = did you mean 'columns'?");
    CHECK(first_mistake(head + "resources:\n  r: {path: \"/x/${connection.kee}\", columns: {id: text}}\n") ==
          "4 there is no 'connection.kee' here = did you mean ${connection.key}?");
    CHECK(first_mistake(head + "resources:\n  r: {path: /x, columns: {id: txt}}\n") == "4 `id`: 'txt' is no type = did you mean 'text'?");
    CHECK(first_mistake(head + "auth: {kind: api_key, value: x}\nresources:\n  r: {path: /x, columns: {id: text}}\n")
              .starts_with("3 an api_key goes in a header"));
    CHECK(
        first_mistake(head + "resources:\n  r: {path: /x, columns: {id: text}, window: {}}\n").starts_with("4 a windowed resource needs"));
    CHECK(first_mistake(head + "resources:\n  r: {path: /x, columns: {id: text, n: \"decimal(9,2)\"}, rounded: [id]}\n")
              .starts_with("4 no column with decimals is called 'id'"));
    CHECK(first_mistake(head + "resources:\n  r: {path: /x, columns: {id: text, n: \"decimal(9,2)\"}, rounded: n}\n").empty());
    // an unreadable type is told once, not again where its column is named
    CHECK(first_mistake(head + "resources:\n  r: {path: /x, rounded: [n], columns: {id: text, n: flot}}\n") ==
          "4 `n`: 'flot' is no type = did you mean 'float'?");
    CHECK(first_mistake("- a\n").starts_with("1 the source must be a mapping"));
}

TEST_CASE("project: connections, channels and limits") {
    CHECK(project_mistake("connections:\n  a: {type: clockify, api_key: \"${secret.K}\", workspace_id: 64ab}\nlimits: {writers: 2}\n")
              .empty());
    CHECK(project_mistake("connections:\n  a: {type: clokify, api_key: x}\n") ==
          "2 no type of connection is called 'clokify' = did you mean 'clockify'?");
    CHECK(project_mistake("connections:\n  a: {type: quickbooks}\n")
              .starts_with("2 no type of connection is called 'quickbooks' = the types are postgres, "));
    CHECK(project_mistake("connections:\n  a: {type: hubspot}\n")
              .starts_with("2 connections of type hubspot are not available yet = the types are postgres, "));
    CHECK(project_mistake("connections:\n  a: {type: clockify, api_key: x}\n") == "2 the connection 'a' lacks `workspace_id` = ");
    CHECK(project_mistake("connections:\n  a: {type: postgres, ulr: x}\n") ==
          "2 a connection of type postgres has no field 'ulr' = did you mean 'url'?");
    CHECK(project_mistake("connections:\n  a: {type: postgres, url: \"${x}\"}\n").starts_with("2 there is no 'x' here"));
    CHECK(project_mistake("limits: {writers: 0}\n").starts_with("1 a limit of no slots"));
    CHECK(
        project_mistake("limits: {all: 9, flow.hours: 1, tag.at-night: 2, connection.clockify: 1, \"connection.warehouse\": 2}\n").empty());
    CHECK(project_mistake("limits: {connection.clokify: 1}\n") == "1 no connection is called 'clokify' = did you mean 'clockify'?");
    CHECK(project_mistake("limits: {flows.hours: 1}\n") ==
          "1 'flows.hours' is no limit = a limit is a name, or all, flow.NAME, tag.TAG or connection.NAME");
    CHECK(project_mistake("limits: {all: 0}\n").starts_with("1 a limit of no slots"));
    CHECK(project_mistake("limits: {all: 100000}\n").empty());
    for (const auto* many : {"100001", "1000000000"})
        CHECK(project_mistake(fmt::format("limits: {{one: 1, all: {}}}\n", many)) ==
              "1 a limit has at most 100000 slots = leave it out, where so many may be under way at once");
    CHECK_THAT(to_text(project_mistakes("limits:\n  all: 1000000000\n").at(0)),
               Catch::Contains("millrace.yaml:2:8: error: ") && Catch::Contains("|        ^~~~~~~~~~\n"));
    CHECK(project_mistake("retention: {raw: 7d, logs: 30d}\n").empty());
    CHECK(project_mistake("retention: {logz: 5d}\n") == "1 `retention` has no key 'logz' = did you mean 'logs'?");
    CHECK(project_mistake("retention: {backups: 5d}\n") ==
          "1 `retention` has no key 'backups' = its keys are raw, quarantine, datasets, logs, events and history");
    CHECK(project_mistake("retention: {logs: long}\n").starts_with("1 "));
    CHECK(project_mistake("retention: {history: 7d}\n").empty()); // the defaults of the others follow
    CHECK(project_mistake("retention: {logs: 120d}\n").empty());  // and that of history
    CHECK(project_mistake("retention: {logs: 24h, history: 1d}\n").empty());
    CHECK(project_mistake("retention:\n  history: 7d\n  quarantine: 30d\n") ==
          "3 `quarantine` is 30d, and `history` only 7d: what is kept of a run goes with the run = write `history: 30d`, or `quarantine: "
          "7d`");
    CHECK(project_mistakes("retention: {raw: 8d, quarantine: 8d, datasets: 8d, logs: 8d, events: 8d, history: 7d}\n").size() == 5);
    CHECK(project_mistakes("retention: {logs: long, history: 7d}\n").size() == 1);
    CHECK_THAT(to_text(project_mistakes("retention:\n  logs: 30d\n  history: 7d\n").at(0)),
               Catch::Contains("millrace.yaml:2:9: error: ") && Catch::Contains("|         ^~~\n"));
    CHECK(project_mistake("databse: x\n") == "1 millrace.yaml has no key 'databse' = did you mean 'database'?");
    CHECK(default_project().connections.at("clockify").fields.at("api_key") == "${secret.CLOCKIFY_API_KEY}");
    CHECK(default_project().connections.at("warehouse").fields.empty());
}
