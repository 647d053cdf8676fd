/// A declared source: what one YAML file in connectors/sources/ says about a SaaS API. The language lives here, its
/// engine in connectors/. It takes no C++ to add a source. The plan embeds the spec as JSON (members' names).
///
///     source: clockify
///     connection:                       # the fields that a connection of this type takes; `url` is always among them
///       api_key: {secret: true, required: true}
///       url: {default: "https://api.clockify.me/api/v1"}
///     auth: {kind: api_key, header: X-Api-Key, value: "${connection.api_key}"}
///     rate: {requests: 10, per: 1s, concurrency: 2}
///     errors:
///       - {status: 401, class: auth, remedy: "check the connection's api_key"}
///     check: {path: /user}
///     resources:
///       clients:
///         path: "/workspaces/${connection.workspace_id}/clients"
///         paging: {kind: page_number, param: page, size_param: page-size, size: 50, last_header: Last-Page}
///         key: id
///         columns: {id: text, name: text, note: text null}
#pragma once

#include "flows/plan.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace millrace {

struct SourceField {
    std::string name;
    bool secret = false;
    bool required = false;
    std::optional<std::string> default_value;
    std::string description;
};

struct AuthSpec {
    std::string kind = "none";  ///< none | api_key | basic | bearer (the other kinds come with the sources that need them)
    std::string header, query;  ///< api_key: exactly one of them
    std::string value;          ///< api_key, bearer: with ${connection.x}
    std::string user, password; ///< basic
};

struct RateSpec {
    double requests = 0; ///< 0: no limit; may be overridden by the connection field `requests_per_second`
    double per_seconds = 1;
    int concurrency = 1; ///< requests under way at once
};

/// The first rule whose status and code match decides. Without one: 429 rate_limited, 401/403 auth, 408/5xx transient,
/// other 4xx permanent.
struct ErrorRule {
    std::vector<int> status;
    std::optional<std::int64_t> code; ///< of the body's `code_path`
    std::string error_class;
    std::string remedy;
};

struct PagingSpec {
    std::string kind = "none"; ///< none | page_number | offset | cursor | next_url | link_header
    std::string in = "query";  ///< query | body
    std::string param;         ///< of the page number; dotted when in the body ("detailedFilter.page")
    std::int64_t start = 1;
    std::string size_param;
    std::int64_t size = 0;   ///< 0: the API pages by its own size
    std::string last_header; ///< "true" in it marks the last page; empty: an empty or short page does
};

/// A resource that is asked once per window of the interval: its parameters `from` and `to` (timestamptz) cut into steps.
/// Templates of the resource see `${window.start}`, `${window.end}` (exclusive), `${window.last}` (one second before the
/// end, for APIs with inclusive ends) and `${window.timezone}`; records carry `_window` STRUCT(start, "end" TIMESTAMPTZ,
/// date DATE: the local date of its start). Parameters of the resource are known in templates by their plain names; a query
/// value, a member or a list element of the body that is null after substitution is left out.
struct WindowSpec {
    Span step; ///< zero (`window: {}`): one window, the whole of from .. to
};

struct ResourceParam {
    std::string name;
    std::string type = "text";
    bool required = false;
    bool narrows = false; ///< with it set the snapshot is not complete
    Json default_value;   ///< null: none
};

struct SourceColumn {
    std::string name;      ///< of the record's member and of the column
    std::string type;      ///< DuckDB's spelling; STRUCT(...) and [] may nest; decimals are read from the raw digits
    bool nullable = false; ///< "text null" in YAML. Else a record that lacks the member, or has null, breaks the contract.
                           ///< Members of a STRUCT and elements of a list may always be null
};

struct ResourceSpec {
    std::string name;
    std::string description;
    std::string base = "url"; ///< which connection field holds the base URL
    std::string method = "GET";
    std::string path;
    std::map<std::string, std::string> headers;
    Json query = Json::object(); ///< name -> value; a value that is null after substitution is left out
    Json body;                   ///< null: none; sent as JSON
    PagingSpec paging;
    std::optional<WindowSpec> window;
    std::string records;              ///< dotted path to the array; empty: the root
    std::string total;                ///< dotted path with [n] to the announced number of records; empty: none
    std::vector<std::string> key;     ///< of a record among all windows of one item, for de-duplication and the guard against drifted walks
    std::vector<std::string> rounded; ///< columns whose decimals the service computes as floating point: digits behind their scale are
                                      ///< rounded, half away from zero. Elsewhere they break the contract. The raw spool has them all
    bool complete = true;             ///< a walk without narrowing parameters is a complete snapshot (of its window)
    std::vector<ResourceParam> params;
    std::vector<SourceColumn> columns;
};

struct SourceSpec {
    std::string source;
    std::string description;
    std::vector<SourceField> connection;
    AuthSpec auth;
    RateSpec rate;
    std::string error_message = "message"; ///< dotted path in an error body
    std::string error_code = "code";
    std::vector<ErrorRule> errors;
    std::string check_path;
    std::vector<ResourceSpec> resources;
    // no part of its JSON; Origins::sources has place_of()
    std::string file;     ///< where it was read
    std::string own_file; ///< where a copy would replace it; empty: it may be corrected where it is
};

/// Where somebody of the project corrects it: "/etc/millrace/sources/crm.yaml", "a copy of /opt/.../clockify.yaml at ...".
[[nodiscard]] std::string place_of(const SourceSpec& source);

/// "`columns` of tags in /opt/.../clockify.yaml", for messages; `key` is one of the resource.
[[nodiscard]] std::string place_in_spec(const SourceSpec& source, const std::string& resource, const std::string& key);

void to_json(Json& j, const SourceSpec& s);
void from_json(const Json& j, SourceSpec& s);

} // namespace millrace
