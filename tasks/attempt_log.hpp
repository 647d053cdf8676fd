/// The log file of one attempt: one JSON object per line (LogLine), appended as it happens, with an end marker.
#pragma once

#include <mutex>
#include <string>
#include <string_view>

namespace millrace {

/// Every member may be called from any thread. A log that cannot be written never fails the attempt.
class AttemptLog {
public:
    /// Creates the folder of `path`. An empty path: nothing is kept.
    explicit AttemptLog(const std::string& path);
    AttemptLog(const AttemptLog&) = delete;
    AttemptLog& operator=(const AttemptLog&) = delete;
    ~AttemptLog();

    /// Long lines are cut at 16 KiB; bytes that are no UTF-8, and NUL, become U+FFFD.
    void write(std::string_view level, std::string_view text);
    /// The end marker. Later lines are not written.
    void finish();

private:
    void append(const std::string& line);

    std::mutex mutex_;
    int file_ = -1; ///< -1: none, or finished
};

} // namespace millrace
