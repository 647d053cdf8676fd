#include "daemon/cli/terminal.hpp"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <sys/ioctl.h>
#include <unistd.h>

namespace millrace {
namespace {

const char* code_of(Paint paint) {
    switch (paint) {
    case Paint::Bold: return "1";
    case Paint::Dim: return "2";
    case Paint::Red: return "31";
    case Paint::Green: return "32";
    case Paint::Yellow: return "33";
    case Paint::Blue: return "34";
    case Paint::None: break;
    }
    return nullptr;
}

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

/// The character that begins at `at`, which is moved past it. Broken UTF-8 gives one number or another.
char32_t next_character(std::string_view text, std::size_t& at) {
    const auto first = static_cast<unsigned char>(text[at++]);
    char32_t character = first < 0x80 ? first : first < 0xE0 ? first & 0x1FU : first < 0xF0 ? first & 0x0FU : first & 0x07U;
    while (at < text.size() && continues_character(text[at])) character = character << 6 | (static_cast<unsigned char>(text[at++]) & 0x3FU);
    return character;
}

struct Range {
    char32_t first, last;
};
constexpr Range combining[] = {{0x300, 0x36F}, {0x200B, 0x200F}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}};
constexpr Range wide[] = {{0x1100, 0x115F}, {0x2E80, 0xA4CF},   {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},  {0xFF00, 0xFF60},
                          {0xFFE0, 0xFFE6}, {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD}};

/// Columns of a terminal.
int width_of(char32_t character) {
    const auto holds = [=](const Range& range) { return range.first <= character && character <= range.last; };
    if (std::any_of(std::begin(combining), std::end(combining), holds)) return 0;
    return std::any_of(std::begin(wide), std::end(wide), holds) ? 2 : 1;
}

int columns_of(int descriptor) {
    if (const int asked = std::atoi(variable("COLUMNS").c_str()); asked > 0) return asked;
    winsize size{};
    if (ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    return 80;
}

} // namespace

std::string Terminal::painted(std::string_view text, Paint paint) const {
    const char* code = colour ? code_of(paint) : nullptr;
    if (!code) return std::string(text);
    return std::string("\x1b[") + code + "m" + std::string(text) + "\x1b[0m";
}

Terminal terminal_of(int descriptor) {
    Terminal terminal;
    terminal.is_terminal = isatty(descriptor) && variable("TERM") != "dumb";
    terminal.colour = terminal.is_terminal && variable("NO_COLOR").empty();
    terminal.width = terminal.is_terminal ? columns_of(descriptor) : 0;
    return terminal;
}

Paint paint_of(std::string_view state) {
    if (state == "completed") return Paint::Green;
    if (state == "failed" || state == "crashed" || state == "error") return Paint::Red;
    if (state == "running" || state == "cancelling") return Paint::Blue;
    if (state == "retrying" || state == "paused") return Paint::Yellow;
    return Paint::Dim;
}

int display_width(std::string_view text) {
    int width = 0;
    for (std::size_t at = 0; at < text.size();) {
        if (text[at] == '\x1b')
            at = std::min(text.find('m', at), text.size() - 1) + 1;
        else
            width += width_of(next_character(text, at));
    }
    return width;
}

std::string shortened(const std::string& text, int width) {
    if (width <= 0 || display_width(text) <= width) return text;
    int used = 0;
    std::size_t kept = 0;
    for (std::size_t at = 0; at < text.size(); kept = at) {
        used += width_of(next_character(text, at));
        if (used >= width) break;
    }
    return text.substr(0, kept) + "…";
}

std::string printable(std::string_view text) {
    std::string clean;
    clean.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        const auto from = at;
        const auto character = next_character(text, at);
        const bool control = (character < 0x20 && character != '\t') || (character >= 0x7F && character < 0xA0);
        clean += control ? " " : text.substr(from, at - from);
    }
    return clean;
}

} // namespace millrace
