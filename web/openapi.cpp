#include "web/openapi.hpp"

#include "web/documents.hpp"
#include "web/route_table.hpp"

#include "flows/version.hpp"

#include <string>

namespace millrace {

namespace {

Json reference(std::string_view document) { return {{"$ref", "#/components/schemas/" + std::string(document)}}; }

Json list_of(Json element) { return {{"type", "array"}, {"items", std::move(element)}}; }

Json schema_of_type(std::string_view type) {
    if (type.ends_with('=')) return schema_of_type(type.substr(0, type.size() - 1));
    if (type.ends_with('?')) {
        Json schema = schema_of_type(type.substr(0, type.size() - 1));
        if (schema.contains("type")) {
            schema["type"] = Json::array({schema["type"], "null"});
            return schema;
        }
        return {{"oneOf", Json::array({std::move(schema), {{"type", "null"}}})}};
    }
    if (type.ends_with("[]")) return list_of(schema_of_type(type.substr(0, type.size() - 2)));
    if (type == "any") return Json::object();
    if (type == "time") return {{"type", "string"}, {"format", "date-time"}};
    if (type == "string" || type == "integer" || type == "number" || type == "boolean" || type == "object") return {{"type", type}};
    return reference(type);
}

Json schema_of(const Document& document) {
    Json schema = {{"type", "object"}, {"properties", Json::object()}};
    Json required = Json::array();
    for (const Member& member : document.members) {
        Json property = schema_of_type(member.type);
        if (!member.meaning.empty()) property["description"] = member.meaning;
        schema["properties"][std::string(member.name)] = std::move(property);
        if (!member.type.ends_with('=')) required.push_back(member.name);
    }
    if (!required.empty()) schema["required"] = std::move(required);
    return schema;
}

/// RunDetail and TriggeredRun are a Run with more members.
Json extended_run(const Document& document) { return {{"allOf", Json::array({reference("Run"), schema_of(document)})}}; }

Json schemas() {
    Json all = Json::object();
    for (const Document& document : documents()) {
        const bool extends = document.name == "RunDetail" || document.name == "TriggeredRun";
        all[std::string(document.name)] = extends ? extended_run(document) : schema_of(document);
    }
    return all;
}

Json answer_schema(std::string_view answer) {
    if (!answer.ends_with("[]")) return reference(answer);
    Json next = {{"type", Json::array({"string", "null"})}, {"description", "`after` of the next page"}};
    Json properties = {{"items", list_of(reference(answer.substr(0, answer.size() - 2)))}, {"next", std::move(next)}};
    return {{"type", "object"}, {"properties", std::move(properties)}, {"required", Json::array({"items", "next"})}};
}

Json parameters_of(const Route& route) {
    Json parameters = Json::array();
    for (const std::string_view name : pattern_params(route.pattern)) {
        Json schema = {{"type", name == "id" ? "integer" : "string"}};
        parameters.push_back({{"name", name}, {"in", "path"}, {"required", true}, {"schema", std::move(schema)}});
    }
    for (const QueryMember& member : route.query) {
        Json schema = {{"type", member.type}};
        parameters.push_back({{"name", member.name}, {"in", "query"}, {"description", member.meaning}, {"schema", std::move(schema)}});
    }
    return parameters;
}

Json operation_of(const Route& route) {
    Json success = {{"description", route.summary}};
    if (!route.answer.empty()) success["content"]["application/json"]["schema"] = answer_schema(route.answer);
    Json failure = {{"description", "a problem (RFC 9457)"}};
    failure["content"]["application/problem+json"]["schema"] = reference("Problem");
    Json operation = {{"summary", route.summary}, {"x-scope", to_string(route.access)}};
    operation["responses"]["2XX"] = std::move(success);
    operation["responses"]["default"] = std::move(failure);
    if (Json parameters = parameters_of(route); !parameters.empty()) operation["parameters"] = std::move(parameters);
    if (!route.body.empty()) operation["requestBody"]["content"]["application/json"]["schema"] = reference(route.body);
    if (route.access != Access::Public) operation["security"] = Json::array({{{"key", Json::array()}}});
    return operation;
}

} // namespace

Json openapi_document() {
    Json document = {{"openapi", "3.1.0"}};
    document["info"] = {{"title", "Millrace"}, {"version", version}};
    document["components"]["schemas"] = schemas();
    document["components"]["securitySchemes"]["key"] = {{"type", "http"}, {"scheme", "bearer"}};
    for (const Route& route : routes()) {
        const bool is_page = route.answer.empty() && !route.pattern.starts_with("/api/");
        if (is_page) continue;
        const char* method = route.method == Method::Get ? "get" : route.method == Method::Post ? "post" : "patch";
        document["paths"][std::string(route.pattern)][method] = operation_of(route);
    }
    return document;
}

} // namespace millrace
