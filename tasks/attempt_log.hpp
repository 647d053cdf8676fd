/// The log of one attempt: one JSON object per line (LogLine), written as it happens, with an end marker. However much is
/// logged, its beginning and its end stay, within the bytes that flows/log_parts.hpp says.
#pragma once

#include "flows/log_parts.hpp"

#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// Every member may be called from any thread. A log that cannot be written never fails the attempt.
class AttemptLog {
public:
    /// Creates the folder of `path`. An empty path: nothing is kept.
    explicit AttemptLog(const std::string& path, LogLimits limits = {});
    AttemptLog(const AttemptLog&) = delete;
    AttemptLog& operator=(const AttemptLog&) = delete;
    ~AttemptLog();

    /// Long lines are cut at 16 KiB; bytes that are no UTF-8, and NUL, become U+FFFD.
    void write(std::string_view level, std::string_view text) { write(level, std::vector{text}); }
    /// Lines that came at the same time, with one write.
    void write(std::string_view level, const std::vector<std::string_view>& lines);
    /// The end marker. Later lines are not written.
    void finish();
    /// After finish(), once nobody waits for the attempt: a log of some size becomes smaller. Blocks, a second for the largest.
    void compress();

    static constexpr std::size_t longest_line = 16 << 10; ///< bytes

private:
    struct File {
        std::string path;
        std::int64_t bytes = 0, lines = 0, last_at = 0;
    };
    void append(const std::string& text, std::int64_t lines, std::int64_t at);
    void begin_part(std::int64_t at);

    const LogLimits limits_;
    std::mutex mutex_;
    int file_ = -1;           ///< -1: none, or finished
    std::vector<File> files_; ///< that there are, the beginning first
    LogPart part_;            ///< the last one that was begun; number 0: none
    std::int64_t lines_ = 0;  ///< altogether
};

} // namespace millrace
