/// `millrace data head RUN.TASK`
#include "daemon/cli/commands.hpp"

#include "daemon/cli/format.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iostream>

namespace millrace {
namespace {

constexpr int widest_cell = 40; ///< on a terminal; elsewhere values are whole

bool is_number(const std::string& type) {
    constexpr std::array<const char*, 8> kinds{"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "DECIMAL", "DOUBLE", "FLOAT"};
    const auto begins = [&](const char* kind) { return type.starts_with(kind); };
    return !type.ends_with(']') && std::any_of(kinds.begin(), kinds.end(), begins);
}

Json fetch_head(const ApiClient& api, const std::string& run, const std::string& task, int rows) {
    try {
        return api.get(fmt::format("/api/v1/runs/{}/datasets/{}?limit={}", url_encoded(run), url_encoded(task), rows));
    } catch (ApiError& error) {
        suggest_task(api, run, task, error);
        throw;
    }
}

int head(Cli& cli, const std::string& name, int rows) {
    const auto dot = name.find('.');
    if (dot == std::string::npos || dot == 0 || dot + 1 == name.size())
        throw UsageError(fmt::format("'{}' is not RUN.TASK", name), "for example: millrace data head 42.rows");
    const auto dataset = fetch_head(cli.api(), name.substr(0, dot), name.substr(dot + 1), rows);
    if (cli.json) {
        Cli::print(dataset);
        return exit_done;
    }
    const auto columns = list_of(dataset, "columns");
    std::vector<Table::Column> titles;
    for (const auto& column : columns)
        titles.push_back({text_of(column, "name"), is_number(text_of(column, "type")) ? Table::Align::Right : Table::Align::Left});
    if (titles.empty()) titles.push_back({"(no columns)"});
    Table table(std::move(titles));
    for (const auto& row : list_of(dataset, "rows")) {
        std::vector<Table::Cell> cells;
        for (std::size_t i = 0; i < columns.size(); ++i) {
            const Json value = row.is_array() ? row.at(i) : row.value(text_of(columns[i], "name"), Json());
            auto text = value.is_null() ? "NULL" : value.is_string() ? value.get<std::string>() : value.dump();
            if (cli.out.is_terminal && i + 1 < columns.size()) text = shortened(printable(text), widest_cell);
            cells.emplace_back(std::move(text), value.is_null() ? Paint::Dim : Paint::None);
        }
        table.add(std::move(cells));
    }
    table.write(std::cout, cli.out);
    std::cout << fmt::format("{} of {} rows\n", list_of(dataset, "rows").size(), count_text(number_of(dataset, "total")));
    return exit_done;
}

} // namespace

void add_data_commands(CLI::App& app, Cli& cli) {
    auto* data = app.add_subcommand("data", "Datasets between tasks");
    data->fallthrough();
    data->require_subcommand(1);
    auto name = std::make_shared<std::string>();
    auto rows = std::make_shared<int>(20);
    auto* command = data->add_subcommand("head", "The first rows of what a task made");
    command->add_option("RUN.TASK", *name, "number of the run and name of the task, such as 42.rows")->required()->type_name("");
    command->add_option("-n", *rows, "how many")->capture_default_str()->check(CLI::Range(1, 1000))->type_name("N");
    on_call(command, cli, [&cli, name, rows] { return head(cli, *name, *rows); });
}

} // namespace millrace
