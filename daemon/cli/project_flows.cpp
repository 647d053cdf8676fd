#include "daemon/cli/project_flows.hpp"

#include "daemon/cli/cli.hpp"
#include "daemon/compile_project.hpp"
#include "flows/project_files.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace millrace {
namespace fs = std::filesystem;

bool is_flow_file(const std::string& name) {
    return name.ends_with(".yaml") || name.ends_with(".yml") || name.find('/') != std::string::npos;
}

CompileResult compile_named_files(const Configuration& configuration, const std::vector<std::string>& files) {
    std::vector<fs::path> paths;
    for (const auto& file : files) {
        auto path = fs::path(file).lexically_normal(); // one that is named twice is one file
        if (std::find(paths.begin(), paths.end(), path) == paths.end()) paths.push_back(std::move(path));
    }
    if (files.empty()) {
        for (const auto& folder : configuration.flows)
            for (auto& file : yaml_files(folder)) paths.push_back(fs::proximate(file));
        if (paths.empty())
            throw UsageError("there is no flow file here",
                             "name files, or go to a project: a folder with millrace.yaml and flows/ (millrace init makes one)");
    }
    return compile_files(configuration, paths);
}

void write_diagnostics(std::ostream& out, const Terminal& terminal, const std::vector<Diagnostic>& diagnostics) {
    for (const auto& diagnostic : diagnostics) {
        const auto text = to_text(diagnostic);
        const auto end = text.find('\n');
        const auto paint = diagnostic.severity == Severity::Error ? Paint::Red : Paint::Yellow;
        out << terminal.painted(text.substr(0, end), paint) << text.substr(end == std::string::npos ? text.size() : end);
    }
    const auto errors = std::count_if(diagnostics.begin(), diagnostics.end(),
                                      [](const Diagnostic& d) { return d.severity == Severity::Error; });
    if (errors > 0) out << fmt::format("{} {}\n", errors, errors == 1 ? "mistake" : "mistakes");
}

} // namespace millrace
