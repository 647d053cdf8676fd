#include "daemon/cli/terminal.hpp"

#include <cstdlib>
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
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\x1b') {
            while (i < text.size() && text[i] != 'm') ++i;
            continue;
        }
        if (!continues_character(text[i])) ++width;
    }
    return width;
}

std::string shortened(const std::string& text, int width) {
    if (width <= 0 || display_width(text) <= width) return text;
    std::string kept;
    int used = 0;
    for (const char c : text) {
        if (!continues_character(c) && ++used >= width) break;
        kept += c;
    }
    return kept + "…";
}

std::string printable(std::string_view text) {
    std::string clean;
    clean.reserve(text.size());
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        const bool control = (byte < 0x20 && c != '\t') || byte == 0x7F;
        clean += control ? ' ' : c;
    }
    return clean;
}

} // namespace millrace
