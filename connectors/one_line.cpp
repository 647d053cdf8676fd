#include "connectors/one_line.hpp"

namespace millrace {

std::string one_line(std::string_view text, std::size_t longest) {
    std::string out;
    bool tag = false, space = false;
    for (const char c : text) {
        const bool begins_character = (static_cast<unsigned char>(c) & 0xC0) != 0x80;
        if (out.size() >= longest && begins_character) return out + "...";
        if (c == '<') tag = true;
        const bool shown = !tag && static_cast<unsigned char>(c) > ' ';
        if (c == '>') tag = false;
        if (!shown) {
            space = !out.empty();
            continue;
        }
        if (space) out += ' ';
        space = false;
        out += c;
    }
    return out;
}

} // namespace millrace
