#include "flows/grammar/schema.hpp"

#include "flows/grammar/flow_tables.hpp"
#include "flows/grammar/shapes.hpp"
#include "flows/grammar/source_tables.hpp"

#include <vector>

namespace millrace {
namespace {

using enum Shape;

constexpr const char* name_pattern = "^[a-z][a-z0-9_]{0,62}$";

Json pattern(const char* text, const char* example) { return {{"type", "string"}, {"pattern", text}, {"examples", {example}}}; }
Json scalar() { return {{"type", {"string", "number", "boolean"}}, {"pattern", "\\S"}}; }
/// Of names that a file gives; those that it refers to need no second rule.
Json name() {
    Json words = Json::array();
    for (const auto& word : reserved_words()) words.push_back(word);
    return {{"pattern", name_pattern}, {"not", {{"enum", words}}}};
}
Json object_of(Json values) { return {{"type", "object"}, {"additionalProperties", std::move(values)}}; }
Json one_or_list(Json element) { return {{"anyOf", {element, {{"type", "array"}, {"items", element}}}}}; }

Json choices(const Field& field) {
    Json values = Json::array();
    for (const auto& choice : choices_of(field.choices)) {
        values.push_back(choice);
        if (choice.find_first_not_of("0123456789") == std::string::npos) values.push_back(std::stoi(choice));
    }
    return {{"enum", values}};
}

/// Collects the definitions of the tables that are met.
class SchemaWriter {
public:
    Json schema(const Table& root, const std::string& id) {
        Json schema = mapping({&root}, root.doc);
        schema["$schema"] = "https://json-schema.org/draft/2020-12/schema";
        schema["$id"] = id;
        schema["title"] = root.what;
        schema["$defs"] = std::move(definitions_);
        return schema;
    }

private:
    Json reference(const Table& table) {
        const std::string name(table.name);
        if (!definitions_.contains(name)) {
            definitions_[name] = Json(); // ends recursion
            definitions_[name] = &table == &task_table ? task() : mapping({&table}, table.doc);
        }
        return {{"$ref", "#/$defs/" + name}};
    }

    Json mapping(const std::vector<const Table*>& tables, std::string_view doc) {
        Json schema{{"type", "object"}, {"description", doc}, {"properties", Json::object()}, {"additionalProperties", false}};
        for (const Table* table : tables)
            for (const auto& field : table->fields) {
                if (field.later || schema["properties"].contains(std::string(field.key))) continue;
                schema["properties"][std::string(field.key)] = property(field);
                if (field.required) schema["required"].push_back(field.key);
            }
        return schema;
    }

    /// Exactly one verb; which one decides on the other keys. The keys of all tasks stand outside too, so that an editor
    /// can complete a task that is still empty.
    Json task() {
        Json schema{
            {"type", "object"}, {"description", "One verb with its object; everything else is an option."}, {"properties", Json::object()}};
        for (const auto& field : task_table.fields) schema["properties"][std::string(field.key)] = property(field);
        for (const auto& row : verb_table) {
            if (row.later) continue;
            const std::string verb(to_string(row.verb));
            schema["properties"][verb] = {{"description", find_field(*row.table, verb)->doc}};
            schema["oneOf"].push_back({{"required", {verb}}});
            std::vector<const Table*> tables{row.table, &task_table};
            if (row.makes_dataset) tables.push_back(&dataset_table);
            schema["allOf"].push_back({{"if", {{"required", {verb}}}}, {"then", mapping(tables, row.table->doc)}});
        }
        schema["properties"].erase("timeout"); // an approval has its own
        return schema;
    }

    Json property(const Field& field) {
        std::vector<Json> forms;
        for (std::uint32_t bit = 1; bit <= static_cast<std::uint32_t>(False); bit <<= 1)
            if (has(field.shape, static_cast<Shape>(bit))) forms.push_back(form(static_cast<Shape>(bit), field));
        Json schema = forms.size() == 1 ? forms[0] : Json{{"anyOf", forms}};
        std::string doc(field.doc);
        if (!field.fallback.empty()) doc += " Default: " + std::string(field.fallback) + ".";
        schema["description"] = doc;
        return schema;
    }

    Json form(Shape shape, const Field& field) {
        switch (shape) {
        case Name: {
            auto schema = name();
            schema["type"] = "string";
            return schema;
        }
        case Task: return {{"type", "string"}, {"pattern", name_pattern}};
        case Whole: return {{"type", "integer"}, {"minimum", 0}};
        case Bool: return {{"type", "boolean"}};
        case False: return {{"const", false}};
        case Duration: return pattern("^[0-9]+(s|m|h|d)$", "5m");
        case Span: return pattern("^[0-9]+(s|m|h|d|mo|y)$", "7d");
        case Percent: return pattern("^[0-9]+(\\.[0-9]+)?%$", "1%");
        case Memory: return pattern("^[0-9]+(kB|KiB|MB|MiB|GB|GiB)$", "512MB");
        case Moment: return pattern("^[0-9]{4}-[0-9]{2}-[0-9]{2}", "2026-01-01");
        case Choice: return choices(field);
        case Choices: return one_or_list(choices(field));
        case Texts: return one_or_list(scalar());
        case Tasks: return one_or_list({{"type", "string"}, {"pattern", name_pattern}});
        case Any: return Json::object();
        case Mapping: return reference(*field.table);
        case Mappings: return {{"type", "array"}, {"items", reference(*field.table)}};
        case Named: {
            auto schema = object_of(reference(*field.table));
            schema["propertyNames"] = name();
            return schema;
        }
        case Values: return {{"type", "object"}};
        case Slots: return object_of({{"type", "integer"}, {"minimum", 0}});
        case Strings: return object_of(scalar());
        case ByTable: return object_of(has(field.shape, Choice) ? choices(field) : one_or_list(scalar()));
        default: return scalar();
        }
    }

    Json definitions_ = Json::object();
};

} // namespace

Json flow_schema() { return SchemaWriter().schema(flow_table, "https://millrace.dev/schema/flow.json"); }
Json source_schema() { return SchemaWriter().schema(source_table, "https://millrace.dev/schema/source.json"); }
Json project_schema() { return SchemaWriter().schema(project_table, "https://millrace.dev/schema/project.json"); }

} // namespace millrace
