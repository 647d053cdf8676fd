#pragma once
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

namespace millrace::sandbox {

/// One request that was answered.
struct LogLine {
    std::uint64_t number = 0;
    double at = 0; ///< seconds since 1970
    std::string method, path, query;
    std::string what;       ///< of a report: its window and groups
    std::uint64_t page = 0; ///< 0: none
    int status = 0;         ///< 0: no answer
    std::uint64_t bytes = 0;
    double milliseconds = 0;
    std::string workspace;
    std::vector<std::string> faults;
};

/// The latest requests, in the order in which they came.
class RequestLog {
public:
    std::uint64_t next_number() { return ++count_; }
    void add(LogLine line) {
        if (lines_.size() == most_lines) lines_.pop_front();
        lines_.push_back(std::move(line));
    }
    void clear() { lines_.clear(); }
    [[nodiscard]] const std::deque<LogLine>& lines() const { return lines_; }
    [[nodiscard]] std::uint64_t count() const { return count_; }

private:
    static constexpr std::size_t most_lines = 500'000;
    std::deque<LogLine> lines_;
    std::uint64_t count_ = 0;
};

} // namespace millrace::sandbox
