#include "scheduler/log_stream.hpp"

#include <algorithm>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <zstd.h>

namespace millrace {
namespace {

constexpr std::size_t at_once = 128 << 10;
constexpr std::uint32_t longest_line = 1 << 20; ///< what is longer is no line of ours
constexpr std::int64_t end_mark_bytes = 256;    ///< the end marker of a host is shorter; the reason of a killed one may be longer

std::string bytes_at_end(int file, std::int64_t most) {
    struct stat about {};
    if (::fstat(file, &about) != 0) return {};
    std::string out(static_cast<std::size_t>(std::min<std::int64_t>(most, about.st_size)), '\0');
    const ssize_t n = ::pread(file, out.data(), out.size(), about.st_size - std::ssize(out));
    out.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
    return out;
}

} // namespace

struct LogStream::Unpacking {
    std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context{ZSTD_createDCtx(), ZSTD_freeDCtx};
    std::string in = std::string(ZSTD_DStreamInSize(), '\0');
    ZSTD_inBuffer rest{in.data(), 0, 0};
};

LogStream::LogStream(const std::string& path) : file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (file_ >= 0) return;
    file_ = ::open((path + ".zst").c_str(), O_RDONLY | O_CLOEXEC); // the plain one goes after this one came
    if (file_ < 0) return;
    unpacking_ = std::make_unique<Unpacking>();
    trailer_ = trailer_from(bytes_at_end(file_, log_trailer_bytes));
}

LogStream::~LogStream() {
    if (file_ >= 0) ::close(file_);
}

std::string LogStream::last_line() const {
    for (std::int64_t most = end_mark_bytes;; most *= 16) {
        std::string end = bytes_at_end(file_, most);
        if (!end.ends_with('\n')) return {};
        end.pop_back();
        const auto before = end.rfind('\n');
        if (before == end.npos && std::ssize(end) + 1 == most && most < std::int64_t{longest_line}) continue;
        return end.substr(before + 1);
    }
}

/// More of the text; false: there is none.
bool LogStream::fill() {
    text_.erase(0, std::exchange(at_, 0));
    const std::size_t had = text_.size();
    text_.resize(had + at_once);
    if (!unpacking_) {
        const ssize_t n = ::read(file_, text_.data() + had, at_once);
        text_.resize(had + static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
        return n > 0;
    }
    auto& u = *unpacking_;
    ZSTD_outBuffer out{text_.data() + had, at_once, 0};
    while (out.pos == 0) {
        if (u.rest.pos == u.rest.size) {
            const ssize_t n = ::read(file_, u.in.data(), u.in.size());
            if (n <= 0) break;
            u.rest = {u.in.data(), static_cast<std::size_t>(n), 0};
        }
        if (ZSTD_isError(ZSTD_decompressStream(u.context.get(), &out, &u.rest)) != 0) break; // what is spoilt ends here
    }
    text_.resize(had + out.pos);
    return out.pos > 0;
}

void LogStream::skip_to(std::int64_t offset) {
    if (!unpacking_ && offset_ == 0 && text_.empty()) {
        ::lseek(file_, offset, SEEK_SET);
        offset_ = offset;
        return;
    }
    while (offset_ < offset) {
        if (at_ == text_.size() && !fill()) return;
        const auto step = std::min(static_cast<std::size_t>(offset - offset_), text_.size() - at_);
        at_ += step;
        offset_ += static_cast<std::int64_t>(step);
    }
}

bool LogStream::next(std::string& line) {
    for (std::size_t from = at_;;) {
        if (const auto end = text_.find('\n', from); end != std::string::npos) {
            line.assign(text_, at_, end - at_);
            offset_ += static_cast<std::int64_t>(end + 1 - at_);
            at_ = end + 1;
            return true;
        }
        if (text_.size() - at_ > longest_line) return false;
        const auto looked = text_.size() - at_;
        if (!fill()) return false;
        from = looked;
    }
}

std::vector<LogPart> parts_of(const std::string& log) {
    std::vector<LogPart> parts;
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(log_tail_folder(log), none))
        if (const auto part = part_from(entry.path().filename().string())) parts.push_back(*part);
    std::sort(parts.begin(), parts.end(), [](const auto& a, const auto& b) { return a.number < b.number; });
    const auto same = [](const auto& a, const auto& b) { return a.number == b.number; }; // it is being compressed
    parts.erase(std::unique(parts.begin(), parts.end(), same), parts.end());
    return parts;
}

void append_compressed(const std::string& path, const std::string& text, LogTrailer trailer) {
    std::string out(ZSTD_compressBound(text.size()), '\0');
    const auto size = ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 1);
    if (ZSTD_isError(size) != 0) return;
    out.resize(size);
    out += to_bytes(trailer);
    const int file = ::open((path + ".zst").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
    if (file < 0) return;
    [[maybe_unused]] const ssize_t n = ::write(file, out.data(), out.size());
    ::close(file);
}

} // namespace millrace
