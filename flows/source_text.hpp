/// One file's text with its lines, so that every mark can be shown. Pure; reading files is someone else's job.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// Where something stands: 1-based, `column` and `length` in bytes. Line 0: the file as a whole.
struct Mark {
    int line = 0;
    int column = 0;
    int length = 1;
};

class SourceText {
public:
    SourceText(std::string file, std::string text);

    [[nodiscard]] const std::string& file() const { return file_; }
    [[nodiscard]] const std::string& text() const { return text_; }
    [[nodiscard]] int lines() const { return static_cast<int>(starts_.size()); }
    /// Without its end of line; empty beyond the last one.
    [[nodiscard]] std::string_view line(int number) const;
    /// The mark of a byte of `text()`.
    [[nodiscard]] Mark mark_at(std::size_t offset) const;

private:
    std::string file_;
    std::string text_;
    std::vector<std::size_t> starts_; ///< byte where each line begins
};

/// The first byte that is not UTF-8, or npos.
[[nodiscard]] std::size_t invalid_utf8(std::string_view text);

} // namespace millrace
