#include "flows/project_files.hpp"

#include "flows/error.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

namespace millrace {
namespace {
constexpr std::size_t most_bytes = 11'000'000; ///< more than any limit of the parser, so that its message can say the size
}

SourceText read_source_text(const std::filesystem::path& file) {
    std::error_code ignored;
    if (std::filesystem::is_directory(file, ignored)) throw Error(ErrorClass::Permanent, file.string() + " is a folder", "name a file");
    std::ifstream stream(file, std::ios::binary);
    if (!stream)
        throw Error(ErrorClass::Permanent, "cannot read " + file.string() + ": " + std::strerror(errno),
                    "check the path and its permissions");
    std::string text(most_bytes, '\0');
    stream.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(stream.gcount()));
    text.shrink_to_fit();
    return {file.string(), std::move(text)};
}

std::filesystem::path find_project_file(std::filesystem::path folder) {
    std::error_code ignored;
    folder = std::filesystem::absolute(folder, ignored);
    for (;; folder = folder.parent_path()) {
        auto file = folder / "millrace.yaml";
        if (std::filesystem::is_regular_file(file, ignored)) return file;
        if (folder == folder.parent_path()) return {};
    }
}

std::vector<std::filesystem::path> yaml_files(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> files;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
        const auto extension = entry.path().extension();
        if (entry.is_regular_file() && (extension == ".yaml" || extension == ".yml")) files.push_back(entry.path());
    }
    if (error)
        throw Error(ErrorClass::Permanent, "cannot read the folder " + folder.string() + ": " + error.message(),
                    "check `flows:` in millrace.yaml");
    std::sort(files.begin(), files.end());
    return files;
}

Sources read_sources(const std::filesystem::path& folder, std::vector<Diagnostic>& diagnostics) {
    Sources sources;
    for (const auto& file : yaml_files(folder)) {
        const auto source = read_source_text(file);
        Diagnostics found(source);
        if (auto spec = parse_source(source, found)) sources[spec->source] = std::move(*spec);
        const auto sorted = found.sorted();
        diagnostics.insert(diagnostics.end(), sorted.begin(), sorted.end());
    }
    return sources;
}

} // namespace millrace
