/// `millrace sources list | show | schema`: the declared sources of this installation; no daemon is needed.
#include "daemon/cli/commands.hpp"

#include "daemon/cli/format.hpp"
#include "flows/grammar/schema.hpp"
#include "flows/nearest.hpp"

#include <fmt/format.h>

#include <iostream>

namespace millrace {
namespace {

int list_sources(Cli& cli) {
    Json items = Json::array();
    Table table({{"source"}, {"resources"}, {"description"}});
    for (const auto& [name, spec] : cli.configuration().sources) {
        std::string resources;
        Json names = Json::array();
        for (const auto& resource : spec.resources) {
            resources += (resources.empty() ? "" : " ") + resource.name;
            names.push_back(resource.name);
        }
        items.push_back({{"source", name}, {"description", spec.description}, {"resources", names}});
        table.add({name, resources, spec.description});
    }
    if (cli.json)
        Cli::print(items);
    else
        table.write(std::cout, cli.out);
    return exit_done;
}

void write_source(const Cli& cli, const SourceSpec& spec) {
    std::cout << cli.out.painted(spec.source, Paint::Bold) << "  " << spec.description << "\n\n";
    Table fields({{"connection field"}, {"default"}, {"description"}});
    for (const auto& field : spec.connection)
        fields.add({field.name + (field.secret ? " (secret)" : ""), field.default_value.value_or(field.required ? "(required)" : ""),
                    field.description});
    fields.write(std::cout, cli.out);
    for (const auto& resource : spec.resources) {
        std::cout << '\n' << cli.out.painted(spec.source + "." + resource.name, Paint::Bold) << "  " << resource.description << '\n';
        if (!resource.params.empty()) {
            std::string params;
            for (const auto& param : resource.params)
                params +=
                    fmt::format("{}{}: {}{}", params.empty() ? "" : ", ", param.name, param.type, param.required ? " (required)" : "");
            std::cout << "  with: {" << params << "}\n";
        }
        Table columns({{"  column"}, {"type"}});
        for (const auto& column : resource.columns) columns.add({"  " + column.name, column.type});
        if (resource.window) columns.add({"  _window", "the days that a record was asked for: start, end, date"});
        if (!columns.is_empty()) columns.write(std::cout, cli.out);
    }
    std::cout << "\nWith `for_each` each record also carries its item: `_item`, a struct of the item's columns.\n";
}

int show_source(Cli& cli, const std::string& name) {
    const auto& sources = cli.configuration().sources;
    const auto found = sources.find(name);
    if (found == sources.end()) {
        std::vector<std::string> names;
        for (const auto& [known, spec] : sources) names.push_back(known);
        const auto near = nearest(name, names);
        throw UsageError(fmt::format("there is no source '{}'", name),
                         near.empty() ? "millrace sources list shows them" : fmt::format("did you mean '{}'?", near));
    }
    if (cli.json)
        Cli::print(Json(found->second));
    else
        write_source(cli, found->second);
    return exit_done;
}

} // namespace

void add_sources_commands(CLI::App& app, Cli& cli) {
    auto* sources = app.add_subcommand("sources", "What data can be extracted from");
    sources->fallthrough();
    on_call(sources, cli, [&cli] { return list_sources(cli); });
    on_call(sources->add_subcommand("list", "The sources of this installation"), cli, [&cli] { return list_sources(cli); });
    auto name = std::make_shared<std::string>();
    auto* show = sources->add_subcommand("show", "One source: fields of its connection, resources, columns");
    show->add_option("SOURCE", *name, "a source, as `millrace sources list` shows it")->required()->type_name("");
    on_call(show, cli, [&cli, name] { return show_source(cli, *name); });
    on_call(sources->add_subcommand("schema", "The JSON Schema of source specs, for editors"), cli, [] {
        Cli::print(source_schema());
        return static_cast<int>(exit_done);
    });
}

} // namespace millrace
