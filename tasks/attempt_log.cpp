#include "tasks/attempt_log.hpp"

#include "flows/host_message.hpp"
#include "flows/time.hpp"

#include <fcntl.h>
#include <filesystem>
#include <memory>
#include <unistd.h>
#include <zstd.h>

namespace millrace {
namespace {

constexpr int compression = 1; // it is the end of an attempt that waits, and text becomes a tenth all the same

Instant now() { return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()); }

std::string to_json_line(const LogLine& line) { return Json(line).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"; }

/// As to_json_line() has it, which is too slow for a flood.
void add_line(std::string& out, const std::string& head, std::string_view text) {
    out += head;
    std::string shown(text.substr(0, AttemptLog::longest_line));
    if (text.size() > shown.size()) shown += "... (" + std::to_string(text.size() - shown.size()) + " bytes more)";
    // PostgreSQL and most viewers refuse NUL.
    for (std::size_t at = shown.find('\0'); at != std::string::npos; at = shown.find('\0', at)) shown.replace(at, 1, "\xEF\xBF\xBD");
    out += Json(std::move(shown)).dump(-1, ' ', false, Json::error_handler_t::replace);
    out += "}\n";
}

int open_to_append(const std::string& path) { return ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600); }

bool write_all(int file, std::string_view rest) {
    while (!rest.empty()) {
        const ssize_t n = ::write(file, rest.data(), rest.size());
        if (n <= 0) return false;
        rest.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

bool compress_into(int from, int to, const LogTrailer& trailer) {
    const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(ZSTD_createCCtx(), ZSTD_freeCCtx);
    ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, compression);
    std::string in(ZSTD_CStreamInSize(), '\0'), out(ZSTD_CStreamOutSize(), '\0');
    for (;;) {
        const ssize_t n = ::read(from, in.data(), in.size());
        if (n < 0) return false;
        const auto mode = n == 0 ? ZSTD_e_end : ZSTD_e_continue;
        ZSTD_inBuffer input{in.data(), static_cast<std::size_t>(n), 0};
        for (std::size_t left = 1; mode == ZSTD_e_end ? left != 0 : input.pos < input.size;) {
            ZSTD_outBuffer output{out.data(), out.size(), 0};
            left = ZSTD_compressStream2(context.get(), &output, &input, mode);
            if (ZSTD_isError(left) != 0 || !write_all(to, std::string_view(out).substr(0, output.pos))) return false;
        }
        if (n == 0) return write_all(to, to_bytes(trailer)) && ::fdatasync(to) == 0;
    }
}

/// Whoever reads finds either file, whole. Where it fails (a full disk) the plain one stays.
void compress_file(const std::string& path, const LogTrailer& trailer) {
    const std::string made = path + ".zst", half = made + ".tmp";
    const int from = ::open(path.c_str(), O_RDONLY | O_CLOEXEC), to = ::open(half.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    const bool done = from >= 0 && to >= 0 && compress_into(from, to, trailer);
    if (from >= 0) ::close(from);
    if (to >= 0) ::close(to);
    if (done && ::rename(half.c_str(), made.c_str()) == 0)
        ::unlink(path.c_str());
    else
        ::unlink(half.c_str());
}

} // namespace

AttemptLog::AttemptLog(const std::string& path, LogLimits limits) : limits_(limits) {
    part_.number = 0;
    if (path.empty()) return;
    std::error_code ignored;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
    file_ = open_to_append(path);
    files_.push_back({path});
}

AttemptLog::~AttemptLog() {
    if (file_ >= 0) ::close(file_);
}

/// Before it the oldest one goes, where there are as many as may be.
void AttemptLog::begin_part(std::int64_t at) {
    const std::string folder = log_tail_folder(files_.front().path);
    std::error_code ignored;
    if (part_.number == 0) std::filesystem::create_directory(folder, ignored);
    if (static_cast<int>(files_.size()) > limits_.most_parts) {
        ::unlink(files_[1].path.c_str());
        part_.left_out_lines += files_[1].lines;
        part_.left_out_bytes += files_[1].bytes;
        files_.erase(files_.begin() + 1);
    }
    ++part_.number;
    part_.lines = lines_;
    part_.begun_at = at;
    const std::string path = folder + "/" + part_name(part_);
    ::close(file_);
    file_ = open_to_append(path);
    files_.push_back({path});
}

void AttemptLog::append(const std::string& text, std::int64_t lines, std::int64_t at) {
    if (file_ < 0) return;
    const auto most = files_.size() == 1 ? limits_.head_bytes : limits_.part_bytes;
    if (files_.back().bytes > 0 && files_.back().bytes + std::ssize(text) > most) begin_part(at);
    auto& file = files_.back();
    file.bytes += std::ssize(text);
    file.lines += lines;
    file.last_at = at;
    lines_ += lines;
    (void)write_all(file_, text);
}

void AttemptLog::write(std::string_view level, const std::vector<std::string_view>& lines) {
    const std::scoped_lock lock(mutex_); // the time too: times only grow within a log
    if (file_ < 0) return;
    const auto at = now();
    const std::string head = R"({"at":")" + to_rfc3339(at) + R"(","end":false,"level":)" + Json(level).dump() + R"(,"text":)";
    std::string text;
    for (const auto line : lines) add_line(text, head, line);
    append(text, std::ssize(lines), to_micros(at));
}

void AttemptLog::finish() {
    const std::scoped_lock lock(mutex_);
    if (file_ < 0) return;
    const auto at = now();
    append(to_json_line({to_rfc3339(at), "debug", "", true}), 1, to_micros(at));
    ::close(file_);
    file_ = -1;
}

void AttemptLog::compress() {
    const std::scoped_lock lock(mutex_);
    std::int64_t bytes = 0;
    for (const auto& file : files_) bytes += file.bytes;
    if (file_ >= 0 || bytes < limits_.compress_from) return;
    for (const auto& file : std::exchange(files_, {})) compress_file(file.path, {file.lines, file.last_at});
}

} // namespace millrace
