#include "flows/source_text.hpp"

#include <algorithm>

namespace millrace {
namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

/// It says nothing in UTF-8, and would count as a column.
std::string without_byte_order_mark(std::string text) {
    if (text.starts_with(byte_order_mark)) text.erase(0, byte_order_mark.size());
    return text;
}

} // namespace

SourceText::SourceText(std::string file, std::string text)
    : file_(std::move(file)), text_(without_byte_order_mark(std::move(text))), starts_{0} {
    for (std::size_t i = 0; i < text_.size(); ++i)
        if (text_[i] == '\n' && i + 1 < text_.size()) starts_.push_back(i + 1);
}

std::string_view SourceText::line(int number) const {
    if (number < 1 || number > lines()) return {};
    const auto from = starts_[static_cast<std::size_t>(number) - 1];
    auto to = number < lines() ? starts_[static_cast<std::size_t>(number)] : text_.size();
    if (to > from && text_[to - 1] == '\n') --to;
    if (to > from && text_[to - 1] == '\r') --to;
    return std::string_view(text_).substr(from, to - from);
}

Mark SourceText::mark_at(std::size_t offset) const {
    const auto after = std::upper_bound(starts_.begin(), starts_.end(), offset);
    return {static_cast<int>(after - starts_.begin()), static_cast<int>(offset - *(after - 1)) + 1, 1};
}

std::size_t invalid_utf8(std::string_view text) {
    const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
    for (std::size_t i = 0; i < text.size();) {
        const unsigned lead = byte(i);
        const std::size_t length = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
        if (length == 0) return i;
        for (std::size_t k = 1; k < length; ++k)
            if ((byte(i + k) & 0xC0) != 0x80) return i;
        // Overlong forms, surrogates and code points beyond U+10FFFF.
        const unsigned second = byte(i + 1);
        if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) || (lead == 0xF0 && second < 0x90) ||
            (lead == 0xF4 && second > 0x8F))
            return i;
        i += length;
    }
    return std::string_view::npos;
}

} // namespace millrace
