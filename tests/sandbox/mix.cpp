#include "mix.hpp"

namespace millrace::sandbox {

namespace {
constexpr char hex_digits[] = "0123456789abcdef";
}

void append_hex(std::string& out, std::uint64_t value, int digits) {
    char text[16];
    for (int at = digits - 1; at >= 0; --at, value >>= 4) text[at] = hex_digits[value & 15];
    out.append(text, static_cast<std::size_t>(digits));
}

std::string object_id(std::int64_t created, std::uint64_t salt) {
    std::string id;
    append_hex(id, static_cast<std::uint64_t>(created), 8);
    append_hex(id, mix(salt), 16);
    return id;
}

void append_escaped(std::string& out, std::string_view text) {
    for (char c : text) {
        switch (c) {
        case '"': out += "\\\""; break;
        case '\\': out += "\\\\"; break;
        case '\n': out += "\\n"; break;
        case '\t': out += "\\t"; break;
        default:
            if (static_cast<unsigned char>(c) < 0x20) {
                out += "\\u00";
                append_hex(out, static_cast<unsigned char>(c), 2);
            } else {
                out += c;
            }
        }
    }
}

} // namespace millrace::sandbox
