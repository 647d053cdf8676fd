#include "tasks/attempt_log.hpp"

#include "flows/host_message.hpp"
#include "flows/time.hpp"

#include <fcntl.h>
#include <filesystem>
#include <unistd.h>

namespace millrace {
namespace {

constexpr std::size_t longest_line = 16 << 10;

std::string now() { return to_rfc3339(std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now())); }

std::string to_json_line(const LogLine& line) { return Json(line).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"; }

/// PostgreSQL and most viewers refuse NUL.
std::string printable(std::string_view text) {
    std::string out(text.substr(0, longest_line));
    if (text.size() > longest_line) out += "... (" + std::to_string(text.size() - longest_line) + " bytes more)";
    for (std::size_t at = out.find('\0'); at != std::string::npos; at = out.find('\0', at)) out.replace(at, 1, "\xEF\xBF\xBD");
    return out;
}

} // namespace

AttemptLog::AttemptLog(const std::string& path) {
    if (path.empty()) return;
    std::error_code ignored;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
    file_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

AttemptLog::~AttemptLog() {
    if (file_ >= 0) ::close(file_);
}

void AttemptLog::append(const std::string& line) {
    if (file_ < 0) return;
    std::string_view rest = line;
    while (!rest.empty()) {
        const ssize_t n = ::write(file_, rest.data(), rest.size());
        if (n <= 0) return;
        rest.remove_prefix(static_cast<std::size_t>(n));
    }
}

void AttemptLog::write(std::string_view level, std::string_view text) {
    const std::string line = to_json_line({now(), std::string(level), printable(text), false});
    const std::scoped_lock lock(mutex_);
    append(line);
}

void AttemptLog::finish() {
    const std::string line = to_json_line({now(), "debug", "", true});
    const std::scoped_lock lock(mutex_);
    append(line);
    if (file_ >= 0) ::close(file_);
    file_ = -1;
}

} // namespace millrace
