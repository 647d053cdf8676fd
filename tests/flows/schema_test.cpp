#include "flows/grammar/schema.hpp"
#include "flows/project_files.hpp"
#include "flows/yaml.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <fstream>
#include <regex>
#include <sstream>

using namespace millrace;

namespace {

const std::string root = MILLRACE_SOURCE_DIR;

bool valid(const Json& schema, const Json& value, const Json& top);

bool has_type(const std::string& type, const Json& value) {
    if (type == "object") return value.is_object();
    if (type == "array") return value.is_array();
    if (type == "string") return value.is_string();
    if (type == "integer") return value.is_number_integer();
    if (type == "number") return value.is_number();
    return type == "boolean" && value.is_boolean();
}

bool valid_object(const Json& schema, const Json& value, const Json& top) {
    for (const auto& key : schema.value("required", Json::array()))
        if (!value.contains(key.get<std::string>())) return false;
    const auto properties = schema.value("properties", Json::object());
    for (const auto& [key, member] : value.items()) {
        if (schema.contains("propertyNames") && !valid(schema["propertyNames"], key, top)) return false;
        if (properties.contains(key)) {
            if (!valid(properties[key], member, top)) return false;
        } else if (schema.contains("additionalProperties") && !valid(schema["additionalProperties"], member, top)) {
            return false;
        }
    }
    return true;
}

/// As much of draft 2020-12 as our schemas use.
bool valid(const Json& schema, const Json& value, const Json& top) {
    if (schema.is_boolean()) return schema.get<bool>();
    const auto all = [&](const char* key) { return schema.value(key, Json::array()); };
    if (schema.contains("$ref") && !valid(top["$defs"][schema["$ref"].get<std::string>().substr(8)], value, top)) return false;
    if (schema.contains("type")) {
        const auto types = schema["type"].is_array() ? schema["type"] : Json::array({schema["type"]});
        if (std::none_of(types.begin(), types.end(), [&](const Json& t) { return has_type(t, value); })) return false;
    }
    const auto enumeration = all("enum");
    if (schema.contains("enum") && std::find(enumeration.begin(), enumeration.end(), value) == enumeration.end()) return false;
    if (schema.contains("const") && schema["const"] != value) return false;
    if (schema.contains("pattern") && value.is_string() &&
        !std::regex_search(value.get<std::string>(), std::regex(schema["pattern"].get<std::string>())))
        return false;
    if (schema.contains("minimum") && value.is_number() && value < schema["minimum"]) return false;
    if (schema.contains("anyOf")) {
        const auto any = all("anyOf");
        if (std::none_of(any.begin(), any.end(), [&](const Json& s) { return valid(s, value, top); })) return false;
    }
    if (schema.contains("oneOf")) {
        const auto one = all("oneOf");
        if (std::count_if(one.begin(), one.end(), [&](const Json& s) { return valid(s, value, top); }) != 1) return false;
    }
    for (const auto& s : all("allOf"))
        if (!valid(s, value, top)) return false;
    if (schema.contains("if") && valid(schema["if"], value, top) && !valid(schema["then"], value, top)) return false;
    if (schema.contains("items") && value.is_array())
        for (const auto& item : value)
            if (!valid(schema["items"], item, top)) return false;
    return !value.is_object() || valid_object(schema, value, top);
}

bool valid_flow(const std::string& yaml) {
    const SourceText source("f.yaml", yaml);
    Diagnostics diagnostics(source);
    static const Json schema = flow_schema();
    return valid(schema, to_json_value(*parse_yaml(source, diagnostics)), schema);
}

} // namespace

TEST_CASE("schema: every shipped flow and source fits") {
    for (const auto& file : yaml_files(root + "/flows/library")) {
        CAPTURE(file.string());
        CHECK(valid_flow(read_source_text(file).text()));
    }
    const auto schema = source_schema();
    for (const auto& file : yaml_files(root + "/connectors/sources")) {
        CAPTURE(file.string());
        const auto source = read_source_text(file);
        Diagnostics diagnostics(source);
        CHECK(valid(schema, to_json_value(*parse_yaml(source, diagnostics)), schema));
    }
}

TEST_CASE("schema: an editor sees what validate would refuse") {
    CHECK(valid_flow("flow: f\ntasks: {a: {wait: 1s}}\n"));
    CHECK_FALSE(valid_flow("tasks: {a: {wait: 1s}}\n"));
    CHECK_FALSE(valid_flow("flow: f\nshedule: {}\ntasks: {a: {wait: 1s}}\n"));
    CHECK_FALSE(valid_flow("flow: f\ntasks: {a: {wait: soon}}\n"));
    CHECK_FALSE(valid_flow("flow: f\ntasks: {a: {wait: 1s, into: x.y}}\n"));
    CHECK_FALSE(valid_flow("flow: f\ntasks: {a: {wait: 1s, extract: x.y}}\n"));
    CHECK_FALSE(valid_flow("flow: f\ntasks: {a: {needs: [b]}}\n"));
    CHECK_FALSE(valid_flow("flow: f\ntasks: {a: {load: b, into: w.t, mode: merge}}\n"));
    CHECK_FALSE(valid_flow("flow: f\nnotify: {failed: ops}\ntasks: {a: {wait: 1s}}\n"));
    CHECK(valid_flow("flow: f\ntasks: {a: {load: {x: b, y: c}, into: w.s, mode: {x: append, y: upsert}, key: {y: id}}}\n"));
    CHECK(valid_flow("flow: f\ndefaults: {retry: 3}\nschedule: [{every: 5m}, {cron: '@daily', dst: {gap: skip}}]\ntasks: {a: {approve: ok, "
                     "timeout: 1d}}\n"));
}

TEST_CASE("schema: every reference in it exists") {
    for (const auto& schema : {flow_schema(), source_schema(), project_schema()}) {
        const auto text = schema.dump();
        const std::regex reference(R"(#/\$defs/([a-z_]+))");
        for (auto it = std::sregex_iterator(text.begin(), text.end(), reference); it != std::sregex_iterator(); ++it)
            CHECK(schema["$defs"].contains((*it)[1].str()));
    }
}

TEST_CASE("reference: flows/REFERENCE.md is what the tables say") {
    const auto file = root + "/flows/REFERENCE.md";
    if (std::getenv("MILLRACE_UPDATE_GOLDEN") != nullptr) std::ofstream(file) << flow_reference();
    std::stringstream text;
    text << std::ifstream(file).rdbuf();
    INFO("MILLRACE_UPDATE_GOLDEN=1 test_flows writes it anew");
    CHECK((text.str() == flow_reference()));
}
