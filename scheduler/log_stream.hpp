/// A file of an attempt's log, read line by line whether it is compressed or not. Blocking.
#pragma once

#include "flows/log_parts.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace millrace {

class LogStream {
public:
    /// `path` without ".zst"; not `is_there` when there is neither.
    explicit LogStream(const std::string& path);
    ~LogStream();

    [[nodiscard]] bool is_there() const { return file_ >= 0; }
    /// Of a compressed one: nothing is written to it any more.
    [[nodiscard]] const std::optional<LogTrailer>& trailer() const { return trailer_; }
    /// The last line of one that is not compressed; empty where that is half a line.
    [[nodiscard]] std::string last_line() const;
    /// The next lines come from there; a byte before what was read is an error of the caller.
    void skip_to(std::int64_t offset);
    /// False: there is no whole line (now).
    [[nodiscard]] bool next(std::string& line);
    /// Of the text after the last line that next() gave.
    [[nodiscard]] std::int64_t offset() const { return offset_; }

private:
    bool fill();

    struct Unpacking;
    int file_ = -1;
    std::optional<LogTrailer> trailer_;
    std::unique_ptr<Unpacking> unpacking_;
    std::string text_; ///< read and not yet given
    std::size_t at_ = 0;
    std::int64_t offset_ = 0;
};

/// What of a log follows its first file, in order.
[[nodiscard]] std::vector<LogPart> parts_of(const std::string& log);

/// Appends text to a compressed file, with the trailer that holds then.
void append_compressed(const std::string& path, const std::string& text, LogTrailer trailer);

} // namespace millrace
