#include "daemon/cli/project_flows.hpp"

#include "daemon/cli/cli.hpp"
#include "daemon/cli/format.hpp"
#include "daemon/compile_project.hpp"
#include "flows/project_files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iostream>

namespace millrace {
namespace fs = std::filesystem;

bool is_flow_file(const std::string& name) {
    return name.ends_with(".yaml") || name.ends_with(".yml") || name.find('/') != std::string::npos;
}

std::vector<fs::path> project_flow_files(const Configuration& configuration) {
    std::vector<fs::path> files;
    for (const auto& folder : configuration.flows)
        for (auto& file : yaml_files(folder)) files.push_back(fs::proximate(file));
    return files;
}

CompileResult compile_named_files(const Configuration& configuration, const std::vector<std::string>& files) {
    std::vector<fs::path> paths;
    const auto add = [&](fs::path path) { // one that is named twice is one file
        if (std::find(paths.begin(), paths.end(), path) == paths.end()) paths.push_back(std::move(path));
    };
    for (const auto& file : files) {
        const auto path = fs::path(file).lexically_normal();
        if (!fs::is_directory(path))
            add(path);
        else
            for (auto& inside : yaml_files(path)) add(std::move(inside));
    }
    if (paths.empty() && !files.empty()) throw UsageError("there is no flow file in " + files.front(), "flow files end in .yaml or .yml");
    if (files.empty()) {
        paths = project_flow_files(configuration);
        if (paths.empty())
            throw UsageError("there is no flow file here",
                             "name files, or go to a project: a folder with millrace.yaml and flows/ (millrace init makes one)");
    }
    return compile_files(configuration, paths);
}

namespace {

bool is_inside(const fs::path& file, const fs::path& folder) {
    std::error_code failure;
    const auto way = fs::relative(file, folder, failure);
    return !failure && !way.empty() && *way.begin() != "..";
}

/// "" where `file` has not the flow, or just what is deployed.
std::string told_of_file(const Configuration& configuration, const fs::path& file, const Json& flow) {
    const auto name = text_of(flow, "name"), folder = text_of(flow, "folder");
    const auto path = fs::proximate(file);
    std::ifstream stream(file);
    const std::string text{std::istreambuf_iterator<char>(stream), {}};
    if (text.find(name) == std::string::npos) return ""; // compiling costs more than a look
    // a file with mistakes has no plan; then its name says whose it is
    const auto result = compile_texts(configuration, {{path.string(), text}});
    const bool is_it = result.flows.empty() ? path.stem() == name
                                            : result.flows.front().plan.name == name && result.flows.front().hash != text_of(flow, "hash");
    if (!is_it) return "";
    return is_inside(file, folder)
               ? path.string() + " was changed after its deploy, this runs what is deployed; see: millrace deploy"
               : fmt::format("{} is not deployed, this runs the flow of that name from {}; see: millrace deploy --dry-run", path.string(),
                             folder);
}

} // namespace

std::string told_of_file_ahead(const Configuration& configuration, const Json& flow) {
    const auto deployed = parse_rfc3339(text_of(flow, "deployed_at"));
    if (!deployed) return "";
    for (const auto& folder : configuration.flows)
        for (const auto& file : yaml_files(folder)) {
            std::error_code gone;
            const auto written = fs::last_write_time(file, gone);
            const bool is_older = !gone && std::chrono::file_clock::to_sys(written) <= *deployed;
            if (gone || (is_older && is_inside(file, text_of(flow, "folder")))) continue;
            if (auto told = told_of_file(configuration, file, flow); !told.empty()) return told;
        }
    return "";
}

bool settings_are_ahead(const Configuration& configuration, const Json& settings) {
    std::error_code failure;
    return fs::equivalent(text_of(settings, "file"), configuration.file, failure) && text_of(settings, "hash") != configuration.hash;
}

void note_file_ahead(Cli& cli, const Json& flow) {
    try {
        auto told = told_of_file_ahead(cli.configuration(), flow);
        if (told.empty() && settings_are_ahead(cli.configuration(), cli.api().get("/api/v1/doctor").at("settings")))
            told = fs::proximate(cli.configuration().file).string() +
                   " was changed after its deploy, this runs what is deployed; see: millrace deploy";
        if (!told.empty()) std::cerr << cli.err.painted("note: " + told, Paint::Yellow) << std::endl;
    } catch (const std::exception&) {
        // no project here, or no host to read its SQL: there is nothing to compare
    }
}

Diagnostic with_source_line(const Json& document) {
    auto diagnostic = document.get<Diagnostic>();
    diagnostic.message = printable(diagnostic.message);
    diagnostic.hint = printable(diagnostic.hint);
    constexpr std::size_t widest = 200; ///< a line beyond it, or one that is not plain text, is not worth quoting again
    std::ifstream file(diagnostic.file);
    std::string line;
    for (int number = 1; number <= diagnostic.line && std::getline(file, line); ++number)
        if (number == diagnostic.line && line.size() <= widest) {
            while (line.ends_with('\r')) line.pop_back();
            if (printable(line) == line) diagnostic.source_line = line;
        }
    return diagnostic;
}

void write_diagnostic(std::ostream& out, const Terminal& terminal, const Diagnostic& diagnostic) {
    const auto text = to_text(diagnostic);
    const auto end = text.find('\n');
    const auto paint = diagnostic.severity == Severity::Error ? Paint::Red : Paint::Yellow;
    out << terminal.painted(text.substr(0, end), paint) << text.substr(end == std::string::npos ? text.size() : end);
}

void write_diagnostics(std::ostream& out, const Terminal& terminal, const std::vector<Diagnostic>& diagnostics) {
    for (const auto& diagnostic : diagnostics) write_diagnostic(out, terminal, diagnostic);
    const auto errors =
        std::count_if(diagnostics.begin(), diagnostics.end(), [](const Diagnostic& d) { return d.severity == Severity::Error; });
    if (errors > 0) out << fmt::format("{} {}\n", errors, errors == 1 ? "mistake" : "mistakes");
}

} // namespace millrace
