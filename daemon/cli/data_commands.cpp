/// `millrace data head RUN.TASK [--rejected]`
#include "daemon/cli/commands.hpp"

#include "daemon/cli/format.hpp"
#include "daemon/cli/rejected_rows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iostream>

namespace millrace {
namespace {

constexpr int widest_cell = 40; ///< on a terminal; elsewhere values are whole

bool is_number(const std::string& type) {
    constexpr std::array<std::string_view, 12> kinds{"tinyint",  "smallint", "int",     "bigint",  "utinyint", "usmallint",
                                                     "uinteger", "ubigint",  "hugeint", "decimal", "double",   "float"};
    const auto kind = type.substr(0, type.find('('));
    return !type.ends_with(']') && std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}

struct Arguments {
    std::string name;
    int rows = 20;
    bool rejected = false;
};

Json fetch_head(const ApiClient& api, const std::string& run, const std::string& task, const Arguments& arguments) {
    try {
        return api.get(fmt::format("/api/v1/runs/{}/datasets/{}{}?limit={}", url_encoded(run), url_encoded(task),
                                   arguments.rejected ? "/rejected" : "", arguments.rows));
    } catch (ApiError& error) {
        suggest_task(api, run, task, error);
        throw;
    }
}

std::string cell_text(const Json& value) { return value.is_null() ? "NULL" : value.is_string() ? value.get<std::string>() : value.dump(); }

} // namespace

void write_rejected(std::ostream& out, const Terminal& terminal, const Json& dataset) {
    for (const auto& row : list_of(dataset, "rows")) {
        const auto column = text_of(row, "column"), value = text_of(row, "value"), position = text_of(row, "position");
        const auto reason = (column.empty() ? "" : column + " ") + text_of(row, "rule") + (value.empty() ? "" : ": " + value);
        const bool numbered = position.find_first_not_of("0123456789") == std::string::npos;
        const auto item = text_of(row, "item");
        out << terminal.painted(printable(item + (item.empty() ? "" : " ") + (numbered ? "row " : "") + position), Paint::Dim) << "  "
            << terminal.painted(printable(reason), Paint::Yellow) << '\n';
        std::string line = " ";
        for (const auto& name : list_of(dataset, "columns")) {
            const auto field = row.at("fields").find(name.get<std::string>());
            if (field == row.at("fields").end()) continue;
            auto text = printable(cell_text(*field));
            if (terminal.is_terminal) text = shortened(text, widest_cell);
            const auto next = fmt::format("  {}={}", printable(name.get<std::string>()), text); // a source chose it
            if (terminal.width > 0 && display_width(line + next) > terminal.width) {
                out << line << '\n';
                line = " ";
            }
            line += next;
        }
        out << line << '\n';
    }
}

namespace {

/// "20 of 1,029 rows"
std::string shown_of_all(const Json& dataset, const char* what) {
    const auto shown = static_cast<std::int64_t>(list_of(dataset, "rows").size());
    return fmt::format("{} of {}\n", count_text(shown), counted(number_of(dataset, "total"), what));
}

/// "2 of 2 rejected rows"; those that a check only warned of are no such rows.
std::string broken_of_all(const Json& dataset) {
    const auto warned = number_of(dataset, "warned"), total = number_of(dataset, "total");
    if (warned == 0) return shown_of_all(dataset, "rejected row");
    if (warned == total) return shown_of_all(dataset, "row") + "They are in the dataset all the same.\n";
    return shown_of_all(dataset, "row") +
           fmt::format("Those that a check only warned of, {}, are in the dataset all the same.\n", count_text(warned));
}

int head(Cli& cli, const Arguments& arguments) {
    const auto& name = arguments.name;
    const auto dot = name.find('.');
    if (dot == std::string::npos || dot == 0 || dot + 1 == name.size())
        throw UsageError(fmt::format("'{}' is not RUN.TASK", name), "for example: millrace data head 42.rows");
    constexpr int most_of_a_dataset = 1000;
    if (!arguments.rejected && arguments.rows > most_of_a_dataset)
        throw UsageError(fmt::format("-n {} is too many", arguments.rows),
                         fmt::format("a dataset shows its first {}", counted(most_of_a_dataset, "row")));
    const auto dataset = fetch_head(cli.api(), name.substr(0, dot), name.substr(dot + 1), arguments);
    if (cli.json) {
        Cli::print(dataset);
        return exit_done;
    }
    if (arguments.rejected) {
        write_rejected(std::cout, cli.out, dataset);
        if (number_of(dataset, "total") == 0)
            std::cout << "No row was rejected.\n";
        else
            std::cout << broken_of_all(dataset);
        return exit_done;
    }
    const auto columns = list_of(dataset, "columns");
    std::vector<TextTable::Column> titles;
    for (const auto& column : columns)
        titles.push_back({text_of(column, "name"), is_number(text_of(column, "type")) ? TextTable::Align::Right : TextTable::Align::Left});
    if (titles.empty()) titles.push_back({"(no columns)"});
    TextTable table(std::move(titles));
    for (const auto& row : list_of(dataset, "rows")) {
        std::vector<TextTable::Cell> cells;
        for (std::size_t i = 0; i < columns.size(); ++i) {
            const Json value = row.is_array() ? row.at(i) : row.value(text_of(columns[i], "name"), Json());
            auto text = cell_text(value);
            if (cli.out.is_terminal && i + 1 < columns.size()) text = shortened(printable(text), widest_cell);
            cells.emplace_back(std::move(text), value.is_null() ? Paint::Dim : Paint::None);
        }
        table.add(std::move(cells));
    }
    table.write(std::cout, cli.out);
    std::cout << shown_of_all(dataset, "row");
    return exit_done;
}

} // namespace

void add_data_commands(CLI::App& app, Cli& cli) {
    auto* data = app.add_subcommand("data", "Datasets between tasks");
    data->fallthrough();
    data->require_subcommand(1);
    auto arguments = std::make_shared<Arguments>();
    auto* command = data->add_subcommand("head", "The first rows of what a task made");
    command->add_option("RUN.TASK", arguments->name, "number of the run and name of the task, such as 42.rows")->required()->type_name("");
    command->add_option("-n", arguments->rows, "how many: up to 1000, of rejected rows up to 10000")
        ->capture_default_str()
        ->check(CLI::Range(1, 10000))
        ->type_name("N");
    command->add_flag(
        "--rejected", arguments->rejected,
        "the rows that its contract kept out, or that a check found, each with the rule that it breaks; of a load, those that it would "
        "not delete");
    on_call(command, cli, [&cli, arguments] { return head(cli, *arguments); });
}

} // namespace millrace
