#include "scheduler/log_packing.hpp"

#include "flows/json.hpp"
#include "flows/log_parts.hpp"
#include "scheduler/log_stream.hpp"

#include <algorithm>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

namespace millrace {
namespace fs = std::filesystem;
namespace {

constexpr int compression = 1;                 // as the hosts do it
constexpr std::int64_t most_bytes = 256 << 20; ///< of a file: no host writes a tenth of it

struct PlainFile {
    std::string path;
    std::int64_t bytes = 0;
};

/// Nothing where there is none, or it is too new or too large.
std::optional<PlainFile> settled_file(const std::string& path, Instant before) {
    struct stat about {};
    if (::lstat(path.c_str(), &about) != 0 || !S_ISREG(about.st_mode) || about.st_size > most_bytes) return std::nullopt;
    if (Instant(std::chrono::seconds(about.st_mtim.tv_sec)) > before) return std::nullopt;
    return PlainFile{path, about.st_size};
}

bool has_ended(const std::string& last_file) {
    const LogStream file(last_file);
    if (file.trailer()) return true;
    if (!file.is_there()) return false;
    const Json line = Json::parse(file.last_line(), nullptr, false);
    return line.is_object() && line.value("end", false);
}

/// The files of a log that are to be compressed: none while it goes on, or where it is small.
std::vector<PlainFile> plain_files(const std::string& log, Instant before) {
    std::vector<std::string> paths{log};
    for (const auto& part : parts_of(log)) paths.push_back(log_tail_folder(log) + "/" + part_name(part));
    std::vector<PlainFile> files;
    for (const auto& path : paths)
        if (const auto file = settled_file(path, before)) files.push_back(*file);
    const bool is_small = paths.size() == 1 && !files.empty() && files.front().bytes < LogLimits().compress_from;
    if (files.empty() || is_small || !has_ended(paths.back())) return {};
    return files;
}

/// The logs in a run's folder that may have files to compress, by the path of their first one, which may be compressed already.
std::set<std::string> logs_in(const fs::path& folder) {
    constexpr std::string_view ending = ".ndjson";
    std::set<std::string> logs;
    std::error_code none;
    for (fs::directory_iterator entries(folder / "logs", none), end; !none && entries != end; entries.increment(none)) {
        const auto path = entries->path().string();
        const auto at = path.rfind(ending);
        if (at == path.npos) continue;
        const auto log = path.substr(0, at + ending.size());
        if (path == log || path == log_tail_folder(log)) logs.insert(log);
    }
    return logs;
}

std::optional<std::int64_t> time_of_last_line(std::string_view text) {
    text.remove_suffix(text.ends_with('\n') ? 1 : 0);
    const Json line = Json::parse(text.substr(text.rfind('\n') + 1), nullptr, false);
    const auto at = line.is_object() ? parse_rfc3339(line.value("at", "")) : std::nullopt;
    return at ? std::optional(to_micros(*at)) : std::nullopt;
}

bool write_whole(int file, std::string_view rest) {
    while (!rest.empty()) {
        const ssize_t n = ::write(file, rest.data(), rest.size());
        if (n <= 0) return false;
        rest.remove_prefix(static_cast<std::size_t>(n));
    }
    return ::fdatasync(file) == 0;
}

/// Under a name of its own: another node may do it too.
bool replace(const std::string& path, std::string_view bytes) {
    const std::string made = path + ".zst";
    std::string half = made + ".XXXXXX.tmp";
    const int file = ::mkostemps(half.data(), 4, O_CLOEXEC);
    if (file < 0) return false;
    const bool is_whole = write_whole(file, bytes);
    ::close(file);
    if (is_whole && ::rename(half.c_str(), made.c_str()) == 0) return ::unlink(path.c_str()) == 0;
    ::unlink(half.c_str());
    return false;
}

bool pack(const PlainFile& file, Packed& packed) {
    std::ifstream in(file.path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    const auto last_at = time_of_last_line(text);
    if (std::ssize(text) != file.bytes || !last_at) return false;
    std::string out(ZSTD_compressBound(text.size()), '\0');
    const auto size = ZSTD_compress(out.data(), out.size(), text.data(), text.size(), compression);
    if (ZSTD_isError(size) != 0) return false;
    out.resize(size);
    out += to_bytes({std::count(text.begin(), text.end(), '\n'), *last_at});
    if (!replace(file.path, out)) return false;
    ++packed.files;
    packed.bytes_before += file.bytes;
    packed.bytes_after += std::ssize(out);
    return true;
}

/// What a host, or a node, that was killed had written of a compressed file.
void remove_halves(const fs::path& folder, Instant before) {
    std::vector<std::string> halves;
    std::error_code none;
    for (fs::recursive_directory_iterator entries(folder / "logs", none), end; !none && entries != end; entries.increment(none))
        if (const auto path = entries->path().string(); path.ends_with(".tmp") && settled_file(path, before)) halves.push_back(path);
    for (const auto& half : halves) ::unlink(half.c_str());
}

} // namespace

std::vector<std::string> with_plain_logs(const fs::path& staging, const std::vector<std::string>& names, Instant before) {
    std::vector<std::string> out;
    for (const auto& name : names) {
        const auto logs = logs_in(staging / name);
        if (std::any_of(logs.begin(), logs.end(), [&](const auto& log) { return !plain_files(log, before).empty(); })) out.push_back(name);
    }
    return out;
}

bool pack_logs(const fs::path& folder, Instant before, std::chrono::milliseconds longest, Packed& packed) {
    const auto until = std::chrono::steady_clock::now() + longest;
    remove_halves(folder, before);
    for (const auto& log : logs_in(folder))
        for (const auto& file : plain_files(log, before)) {
            if (!pack(file, packed)) break; // the next log; at the end of the pass this one is as it was
            if (std::chrono::steady_clock::now() > until) return false;
        }
    return true;
}

} // namespace millrace
