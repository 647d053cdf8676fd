/// `millrace sources list | show | schema`: the declared sources of the installation and the project; no daemon is needed.
#include "daemon/cli/commands.hpp"

#include "daemon/cli/format.hpp"
#include "flows/grammar/schema.hpp"
#include "flows/nearest.hpp"
#include "flows/substitute.hpp"
#include "flows/type_names.hpp"

#include <fmt/format.h>

#include <iostream>

namespace millrace {
namespace {

int list_sources(Cli& cli) {
    Json items = Json::array();
    using enum TextTable::Align;
    TextTable table({{"source"}, {"resources"}, {"description", Left, 1}, {"file", Left, 2}});
    for (const auto& [name, spec] : cli.configuration().sources) {
        std::string resources;
        Json names = Json::array();
        for (const auto& resource : spec.resources) {
            resources += (resources.empty() ? "" : " ") + resource.name;
            names.push_back(resource.name);
        }
        items.push_back({{"source", name}, {"description", spec.description}, {"resources", names}, {"file", spec.file}});
        table.add({name, resources, spec.description, spec.file});
    }
    if (cli.json)
        Cli::print(items);
    else
        table.write(std::cout, cli.out);
    return exit_done;
}

/// As a contract writes a column: "text null".
std::string type_text(const SourceColumn& column) { return type_words(column.type) + (column.nullable ? " null" : ""); }

void write_resource(const Cli& cli, const SourceSpec& spec, const ResourceSpec& resource) {
    std::cout << heading_text(cli.out.painted(spec.source + "." + resource.name, Paint::Bold), resource.description) << '\n';
    if (!resource.params.empty()) {
        std::string params;
        for (const auto& param : resource.params)
            params += fmt::format("{}{}: {}{}", params.empty() ? "" : ", ", param.name, param.type, param.required ? " (required)" : "");
        std::cout << "  with: {" << params << "}\n";
    }
    TextTable columns({{"  column"}, {"type"}});
    for (const auto& column : resource.columns) columns.add({"  " + column.name, type_text(column)});
    if (resource.window) columns.add({"  _window", "the days that a record was asked for: start, end, date"});
    if (!columns.is_empty()) columns.write(std::cout, cli.out);
}

/// The variables of the environment, or of `.env`, that fill in the field in the project's connections of that type.
std::string variables_of(const Project& project, const std::string& type, const std::string& field) {
    std::string out;
    for (const auto& [name, connection] : project.connections) {
        const auto text = connection.fields.find(field);
        if (connection.type != type || text == connection.fields.end() || !text->is_string()) continue;
        for (const auto& reference : references(text->get<std::string>()))
            out += (out.empty() ? "" : ", ") + reference.name.substr(reference.name.find('.') + 1);
    }
    return out;
}

void write_source(Cli& cli, const SourceSpec& spec) {
    std::cout << heading_text(cli.out.painted(spec.source, Paint::Bold), spec.description) << '\n' << spec.file << '\n';
    if (!spec.own_file.empty()) std::cout << "to change it, copy it to " << spec.own_file << ", then: millrace deploy\n";
    std::cout << '\n';
    TextTable fields({{"connection field"}, {"variable"}, {"default"}, {"description"}});
    for (const auto& field : spec.connection)
        fields.add({field.name + (field.secret ? " (secret)" : ""), variables_of(cli.configuration().project, spec.source, field.name),
                    field.default_value.value_or(field.required ? "(required)" : ""), field.description});
    if (spec.rate.requests > 0)
        fields.add({"requests_per_second", variables_of(cli.configuration().project, spec.source, "requests_per_second"),
                    fmt::format("{:g}", spec.rate.requests / std::max(spec.rate.per_seconds, 1e-9)),
                    "the pace of requests, which extracts wait for"});
    fields.write(std::cout, cli.out);
    for (const auto& resource : spec.resources) {
        std::cout << '\n';
        write_resource(cli, spec, resource);
    }
}

/// `whole` is there not, with the name that is nearest to its part `name`.
UsageError no_such(const std::string& whole, const std::string& name, const std::vector<std::string>& names, const std::string& list) {
    const auto near = nearest(name, names);
    return UsageError("there is no " + whole, near.empty() ? list : fmt::format("did you mean '{}'?", near));
}

/// By its own name, or by that of a connection to it.
const SourceSpec& source_named(const Configuration& configuration, const std::string& name) {
    const auto& sources = configuration.sources;
    if (const auto found = sources.find(name); found != sources.end()) return found->second;
    const auto& connections = configuration.project.connections;
    if (const auto connection = connections.find(name); connection != connections.end())
        if (const auto found = sources.find(connection->second.type); found != sources.end()) return found->second;
    std::vector<std::string> names;
    for (const auto& [known, spec] : sources) names.push_back(known);
    for (const auto& [known, spec] : connections)
        if (sources.contains(spec.type)) names.push_back(known);
    throw no_such("source '" + name + "'", name, names, "millrace sources list shows them");
}

const ResourceSpec& resource_named(const SourceSpec& spec, const std::string& name) {
    std::vector<std::string> names;
    for (const auto& resource : spec.resources) {
        if (resource.name == name) return resource;
        names.push_back(resource.name);
    }
    throw no_such("resource '" + spec.source + "." + name + "'", name, names, fmt::format("its resources are {}", fmt::join(names, ", ")));
}

/// `name` is a source, or CONNECTION.RESOURCE as `extract:` takes it; `resource` may be empty.
int show_source(Cli& cli, std::string name, std::string resource) {
    if (const auto dot = name.find('.'); dot != std::string::npos && resource.empty()) {
        resource = name.substr(dot + 1);
        name.resize(dot);
    }
    const auto& spec = source_named(cli.configuration(), name);
    if (resource.empty()) {
        cli.json ? Cli::print(Json(spec)) : write_source(cli, spec);
    } else {
        const auto& one = resource_named(spec, resource);
        cli.json ? Cli::print(Json(spec).at("resources").at(static_cast<std::size_t>(&one - spec.resources.data())))
                 : write_resource(cli, spec, one);
    }
    if (!cli.json)
        std::cout
            << "\nA column without `null` always has a value. With `for_each` each record also carries its item: `_item`, a struct of "
               "the item's columns.\n";
    return exit_done;
}

} // namespace

void add_sources_commands(CLI::App& app, Cli& cli) {
    auto* sources = app.add_subcommand("sources", "What data can be extracted from");
    sources->fallthrough();
    on_call(sources, cli, [&cli] { return list_sources(cli); });
    on_call(sources->add_subcommand("list", "The sources of the installation, and of the project's folder `sources`"), cli,
            [&cli] { return list_sources(cli); });
    auto name = std::make_shared<std::string>(), resource = std::make_shared<std::string>();
    auto* show = sources->add_subcommand("show", "One source: fields of its connection, resources, columns; or one resource");
    show->add_option("SOURCE", *name, "a source or a connection, or CONNECTION.RESOURCE as `extract:` takes it")->required()->type_name("");
    show->add_option("RESOURCE", *resource, "only this one")->type_name("");
    on_call(show, cli, [&cli, name, resource] { return show_source(cli, *name, *resource); });
    on_call(sources->add_subcommand("schema", "The JSON Schema of source specs, for editors"), cli, [] {
        Cli::print(source_schema());
        return static_cast<int>(exit_done);
    });
}

} // namespace millrace
