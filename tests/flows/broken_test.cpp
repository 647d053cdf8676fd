#include "flows/compile.hpp"
#include "flows/project_files.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <fstream>
#include <sstream>

using namespace millrace;

namespace {

const std::filesystem::path root = MILLRACE_SOURCE_DIR;

std::string diagnostics_of(const std::filesystem::path& file) {
    static std::vector<Diagnostic> ignored;
    static const Sources sources = read_sources(root / "connectors/sources", ignored);
    Project project = default_project();
    project.limits["warehouse_writers"] = 2;
    std::string text;
    for (const auto& d : compile({{file.filename().string(), read_source_text(file).text()}}, project, sources).diagnostics)
        text += to_text(d);
    return text;
}

} // namespace

TEST_CASE("broken flow files: each has its golden diagnostics") {
    const auto files = yaml_files(root / "tests/flows/broken");
    CHECK(files.size() >= 60);
    for (const auto& file : files) {
        auto golden = file;
        golden.replace_extension(".expected");
        const auto found = diagnostics_of(file);
        CAPTURE(file.filename().string());
        CHECK_FALSE(found.empty());
        if (std::getenv("MILLRACE_UPDATE_GOLDEN") != nullptr) std::ofstream(golden) << found;
        std::stringstream expected;
        expected << std::ifstream(golden).rdbuf();
        CHECK(found == expected.str());
    }
}
