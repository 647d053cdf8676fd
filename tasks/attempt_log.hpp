/// The log file of one attempt: one JSON object per line (LogLine), appended as it happens, with an end marker.
#pragma once

#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace millrace {

/// Every member may be called from any thread. A log that cannot be written never fails the attempt.
class AttemptLog {
public:
    /// The file and its folder are made by open(), or with the first line. An empty path: nothing is kept.
    explicit AttemptLog(std::string path) : path_(std::move(path)) {}
    AttemptLog(const AttemptLog&) = delete;
    AttemptLog& operator=(const AttemptLog&) = delete;
    ~AttemptLog();

    void open();
    /// Long lines are cut at 16 KiB; bytes that are no UTF-8, and NUL, become U+FFFD.
    void write(std::string_view level, std::string_view text);
    /// The end marker. Later lines are not written.
    void finish();

private:
    void make_file();
    void append(const std::string& line);

    std::mutex mutex_; ///< guards what follows
    std::string path_; ///< of a file that is still to be opened
    int file_ = -1;    ///< -1: none, or finished
};

} // namespace millrace
