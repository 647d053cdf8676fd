#include "flows/parse_source.hpp"

#include "flows/column_type.hpp"
#include "flows/error.hpp"
#include "flows/grammar/form.hpp"
#include "flows/grammar/source_tables.hpp"
#include "flows/nearest.hpp"
#include "flows/substitute.hpp"

#include <fmt/format.h>

#include <charconv>
#include <set>

namespace millrace {
namespace {

class SourceParser {
public:
    SourceParser(const YamlNode& root, Diagnostics& diagnostics)
        : form_(root, {&source_table}, "the source", diagnostics), diagnostics_(diagnostics) {}

    SourceSpec parse() {
        spec_.source = form_.text("source");
        spec_.description = form_.text("description");
        spec_.error_message = form_.text("error_message", "message");
        spec_.error_code = form_.text("error_code", "code");
        connection();
        if (const auto* auth = form_.get("auth")) parse_auth(*auth);
        if (const auto* rate = form_.get("rate")) parse_rate(*rate);
        if (const auto* errors = form_.get("errors"))
            for (const auto& rule : errors->items) parse_rule(rule);
        if (const auto* check = form_.get("check"))
            spec_.check_path = template_text(Form(*check, {&source_check_table}, "`check`", diagnostics_), "path", no_names);
        if (const auto* resources = form_.get("resources"))
            for (const auto& entry : resources->entries) parse_resource(entry);
        return std::move(spec_);
    }

private:
    /// What templates may refer to, beside `connection.x`.
    using Names = std::vector<std::string>;
    inline static const Names no_names{};

    void connection() {
        bool has_url = false;
        if (const auto* fields = form_.get("connection"))
            for (const auto& entry : fields->entries) {
                const Form form(entry.value, {&source_field_table}, "the connection field '" + entry.key + "'", diagnostics_);
                SourceField field{entry.key, form.flag("secret", false), form.flag("required", false), std::nullopt,
                                  form.text("description")};
                if (form.get("default") != nullptr) field.default_value = form.text("default");
                has_url = has_url || field.name == "url";
                spec_.connection.push_back(std::move(field));
            }
        if (!has_url) spec_.connection.push_back({"url", false, true, std::nullopt, "the base URL of the API"});
    }

    /// Checks the references of one string.
    void check_template(const YamlNode& node, const Names& names) {
        std::vector<Reference> found;
        try {
            found = references(node.text);
        } catch (const std::invalid_argument& e) {
            return diagnostics_.error(node.mark, e.what());
        }
        Names all = names;
        for (const auto& field : spec_.connection) all.push_back("connection." + field.name);
        for (const auto& reference : found) {
            if (std::find(all.begin(), all.end(), reference.name) != all.end()) continue;
            const auto near = nearest(reference.name, all);
            diagnostics_.error(mark_inside(node, reference.offset, reference.length, diagnostics_.source()),
                               fmt::format("there is no '{}' here", reference.name),
                               near.empty() ? "connection fields are written ${connection.NAME}" : "did you mean ${" + near + "}?");
        }
    }

    void check_templates(const YamlNode& node, const Names& names) {
        if (node.is_scalar()) check_template(node, names);
        for (const auto& item : node.items) check_templates(item, names);
        for (const auto& entry : node.entries) check_templates(entry.value, names);
    }

    std::string template_text(const Form& form, std::string_view key, const Names& names) {
        if (const auto* value = form.get(key)) check_template(*value, names);
        return form.text(key);
    }

    void parse_auth(const YamlNode& node) {
        const Form form(node, {&auth_table}, "`auth`", diagnostics_);
        auto& auth = spec_.auth;
        auth.kind = form.text("kind", "none");
        auth.header = form.text("header");
        auth.query = form.text("query");
        auth.value = template_text(form, "value", no_names);
        auth.user = template_text(form, "user", no_names);
        auth.password = template_text(form, "password", no_names);
        if (auth.kind == "api_key" && auth.header.empty() == auth.query.empty())
            diagnostics_.error(form.key_mark("kind"), "an api_key goes in a header or in a query parameter",
                               "give either `header` or `query`");
        if ((auth.kind == "api_key" || auth.kind == "bearer") && auth.value.empty())
            diagnostics_.error(form.key_mark("kind"), "`" + auth.kind + "` needs `value`", "value: \"${connection.api_key}\", for example");
        if (auth.kind == "basic" && auth.user.empty()) diagnostics_.error(form.key_mark("kind"), "`basic` needs `user` and `password`");
    }

    void parse_rate(const YamlNode& node) {
        const Form form(node, {&rate_table}, "`rate`", diagnostics_);
        spec_.rate.requests = static_cast<double>(form.whole("requests").value_or(0));
        spec_.rate.per_seconds = form.seconds("per").value_or(1);
        spec_.rate.concurrency = static_cast<int>(form.whole("concurrency").value_or(1));
    }

    void parse_rule(const YamlNode& node) {
        const Form form(node, {&error_rule_table}, "an error rule", diagnostics_);
        ErrorRule rule;
        if (const auto* status = form.get("status"))
            for (const auto* element : elements(*status)) {
                int code = 0;
                std::from_chars(element->text.data(), element->text.data() + element->text.size(), code);
                if (code < 400 || code > 599)
                    diagnostics_.error(element->mark, "'" + element->text + "' is no HTTP status of an error (400 to 599)");
                rule.status.push_back(code);
            }
        rule.code = form.whole("code");
        rule.error_class = form.text("class");
        rule.remedy = form.text("remedy");
        spec_.errors.push_back(std::move(rule));
    }

    void parse_resource(const YamlEntry& entry) {
        if (const auto why = name_mistake(entry.key); !why.empty()) diagnostics_.error(entry.mark, why, name_rule(entry.key));
        const Form form(entry.value, {&resource_table}, "the resource '" + entry.key + "'", diagnostics_);
        ResourceSpec resource;
        resource.name = entry.key;
        Names names;
        if (const auto* params = form.get("params"))
            for (const auto& param : params->entries) {
                resource.params.push_back(parse_param(param));
                names.push_back(param.key);
            }
        if (const auto* window = form.get("window")) {
            resource.window = WindowSpec{Form(*window, {&window_table}, "`window`", diagnostics_).span("step")};
            for (const char* name : {"window.start", "window.end", "window.last", "window.timezone"}) names.emplace_back(name);
            if (std::find(names.begin(), names.end(), "from") == names.end() || std::find(names.begin(), names.end(), "to") == names.end())
                diagnostics_.error(form.key_mark("window"), "a windowed resource needs the parameters `from` and `to`",
                                   "params: {from: {type: timestamptz, required: true}, to: ...}");
        }
        resource.description = form.text("description");
        resource.base = form.text("base", "url");
        if (std::none_of(spec_.connection.begin(), spec_.connection.end(), [&](const SourceField& f) { return f.name == resource.base; }))
            diagnostics_.error(form.key_mark("base"), "no connection field is called '" + resource.base + "'",
                               "add it under `connection:`");
        resource.method = form.text("method", "GET");
        resource.path = template_text(form, "path", names);
        if (const auto* headers = form.get("headers"))
            for (const auto& header : headers->entries) {
                check_template(header.value, names);
                resource.headers[header.key] = header.value.text;
            }
        if (const auto* query = form.get("query")) {
            check_templates(*query, names);
            resource.query = to_json_value(*query);
        }
        if (const auto* body = form.get("body")) {
            check_templates(*body, names);
            resource.body = to_json_value(*body);
        }
        if (const auto* paging = form.get("paging")) resource.paging = parse_paging(*paging);
        resource.records = form.text("records");
        resource.total = form.text("total");
        resource.key = form.texts("key");
        resource.rounded = form.texts("rounded");
        resource.complete = form.flag("complete", true);
        if (const auto* columns = form.get("columns"))
            for (const auto& column : columns->entries) parse_source_column(column, resource);
        for (const auto& name : resource.rounded)
            if (!unread_.contains(name) && std::none_of(resource.columns.begin(), resource.columns.end(), [&](const SourceColumn& c) {
                    return c.name == name && c.type.find("DECIMAL") != std::string::npos;
                }))
                diagnostics_.error(form.key_mark("rounded"), "no column with decimals is called '" + name + "'",
                                   "name columns whose type is a decimal, or holds one");
        spec_.resources.push_back(std::move(resource));
    }

    ResourceParam parse_param(const YamlEntry& entry) {
        const Form form(entry.value, {&resource_param_table}, "the parameter '" + entry.key + "'", diagnostics_);
        return {entry.key, form.text("type", "text"), form.flag("required", false), form.flag("narrows", false), form.json("default")};
    }

    PagingSpec parse_paging(const YamlNode& node) {
        const Form form(node, {&paging_table}, "`paging`", diagnostics_);
        PagingSpec paging;
        paging.kind = form.text("kind", "none");
        paging.in = form.text("in", "query");
        paging.param = form.text("param");
        paging.start = form.whole("start").value_or(1);
        paging.size_param = form.text("size_param");
        paging.size = form.whole("size").value_or(0);
        paging.last_header = form.text("last_header");
        const bool needs_param = paging.kind == "page_number" || paging.kind == "offset" || paging.kind == "cursor";
        if (needs_param && paging.param.empty())
            diagnostics_.error(form.key_mark("kind"), "`" + paging.kind + "` needs `param`", "the parameter that asks for the next page");
        return paging;
    }

    void parse_source_column(const YamlEntry& entry, ResourceSpec& resource) {
        try {
            const auto column = parse_column(entry.key, entry.value.text);
            if (column.unique || !column.check.empty() || !column.references_task.empty())
                diagnostics_.error(entry.value.mark, "a source's column has a type and maybe 'null', nothing else",
                                   "contracts belong to the flow's `columns:`");
            resource.columns.push_back({column.name, column.type, column.nullable});
        } catch (const ColumnMistake& e) {
            diagnostics_.error(mark_inside(entry.value, e.offset, e.length, diagnostics_.source()),
                               fmt::format("`{}`: {}", entry.key, e.what()), e.hint);
            unread_.insert(entry.key);
        }
    }

    Form form_;
    Diagnostics& diagnostics_;
    SourceSpec spec_;
    std::set<std::string> unread_; ///< columns whose type is a mistake
};

} // namespace

std::optional<SourceSpec> parse_source(const SourceText& source, Diagnostics& diagnostics) {
    const auto root = parse_yaml(source, diagnostics);
    if (!root) return std::nullopt;
    auto spec = SourceParser(*root, diagnostics).parse();
    if (diagnostics.has_errors()) return std::nullopt;
    spec.file = source.file();
    return spec;
}

} // namespace millrace
