#include "flows/project_files.hpp"

#include "flows/error.hpp"
#include "flows/letters.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>

namespace millrace {
namespace {
constexpr std::size_t most_bytes = 11'000'000; ///< more than any limit of the parser, so that its message can say the size

void add_yaml_files(const std::filesystem::path& folder, std::vector<std::filesystem::path>& files,
                    std::set<std::filesystem::path>& entered) {
    std::error_code error;
    if (!entered.insert(std::filesystem::weakly_canonical(folder, error)).second) return;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
        const auto& path = entry.path();
        std::error_code ignored;
        if (path.filename().string().starts_with(".")) continue; // an editor's, a version control's
        if (entry.is_directory(ignored)) {
            add_yaml_files(path, files, entered);
            continue;
        }
        const auto extension = lower_case(path.extension().string());
        if (extension != ".yaml" && extension != ".yml") continue;
        if (entry.exists(ignored) && !entry.is_regular_file(ignored)) // reading a pipe would wait for ever
            throw Error(ErrorClass::Permanent, path.string() + " is no regular file", "put a file of YAML there, or take it away");
        files.push_back(path); // a link to nowhere is told when it is read
    }
    if (error)
        throw Error(ErrorClass::Permanent, "cannot read the folder " + folder.string() + ": " + error.message(),
                    "check `flows:` in millrace.yaml");
}

} // namespace

SourceText read_source_text(const std::filesystem::path& file) {
    std::error_code ignored;
    if (std::filesystem::is_directory(file, ignored)) throw Error(ErrorClass::Permanent, file.string() + " is a folder", "name a file");
    std::ifstream stream(file, std::ios::binary);
    if (!stream && std::filesystem::is_symlink(file, ignored))
        throw Error(ErrorClass::Permanent,
                    "cannot read " + file.string() + ", a link to " + std::filesystem::read_symlink(file, ignored).string() + ": " +
                        std::strerror(errno),
                    "mend the link, or take it away");
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
    std::set<std::filesystem::path> entered; // a link may lead back to a folder above
    add_yaml_files(folder, files, entered);
    std::sort(files.begin(), files.end());
    return files;
}

bool is_within(const std::filesystem::path& inner, const std::filesystem::path& outer) {
    const auto from = inner.lexically_normal().lexically_relative(outer.lexically_normal());
    return !from.empty() && *from.begin() != "..";
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
