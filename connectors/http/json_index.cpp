#include "connectors/http/json_index.hpp"

#include <algorithm>
#include <simdjson.h>

namespace millrace {
namespace {

constexpr int deepest = 256;
/// An index takes five times its capacity; one that served a far larger text gives its memory back.
constexpr std::size_t large = 8 << 20;

void append_utf8(std::string& out, std::uint32_t c) {
    if (c < 0x80) {
        out += static_cast<char>(c);
    } else if (c < 0x800) {
        out += static_cast<char>(0xC0 | c >> 6);
        out += static_cast<char>(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        out += static_cast<char>(0xE0 | c >> 12);
        out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
        out += static_cast<char>(0x80 | (c & 0x3F));
    } else {
        out += static_cast<char>(0xF0 | c >> 18);
        out += static_cast<char>(0x80 | (c >> 12 & 0x3F));
        out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
        out += static_cast<char>(0x80 | (c & 0x3F));
    }
}

/// Four hexadecimal digits at `i`; -1 when they are not there.
std::int32_t hex4(std::string_view raw, std::size_t i) {
    if (i + 4 > raw.size()) return -1;
    std::int32_t value = 0;
    for (std::size_t k = i; k < i + 4; ++k) {
        const char c = raw[k];
        const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    return value;
}

} // namespace

struct JsonIndex::Parser {
    std::unique_ptr<simdjson::internal::dom_parser_implementation> pass;
    std::size_t capacity = 0;
};

JsonIndex::JsonIndex() : parser_(std::make_unique<Parser>()) {}
JsonIndex::JsonIndex(JsonIndex&&) noexcept = default;
JsonIndex::~JsonIndex() = default;

void JsonIndex::read(std::string_view text) {
    if (text.size() > UINT32_MAX - 64) throw JsonMistake("the text is larger than 4 GB");
    const bool far_too_large = parser_->capacity > large && parser_->capacity / 4 > text.size();
    if (parser_->capacity < text.size() || far_too_large || !parser_->pass) {
        const std::size_t wanted = std::max<std::size_t>(text.size() + text.size() / 4, 1 << 16);
        parser_->pass.reset();
        if (simdjson::get_active_implementation()->create_dom_parser_implementation(wanted, deepest, parser_->pass) != simdjson::SUCCESS)
            throw JsonMistake("no memory to read it");
        parser_->capacity = wanted;
    }
    const auto error =
        parser_->pass->stage1(reinterpret_cast<const std::uint8_t*>(text.data()), text.size(), simdjson::stage1_mode::regular);
    switch (error) {
    case simdjson::SUCCESS: break;
    case simdjson::EMPTY: throw JsonMistake("it is empty");
    case simdjson::UTF8_ERROR: throw EncodingMistake();
    case simdjson::UNCLOSED_STRING: throw JsonMistake("it ends inside a string");
    case simdjson::UNESCAPED_CHARS: throw JsonMistake("a string holds a control character");
    default: throw JsonMistake(simdjson::error_message(error));
    }
    text_ = text;
    tokens_ = parser_->pass->structural_indexes.get();
    count_ = parser_->pass->n_structural_indexes;
    parser_->pass->structural_indexes[count_] = static_cast<std::uint32_t>(text.size());
}

void JsonCursor::refuse(const std::string& why) const { refuse_at(text_ + *at_, why); }

void JsonCursor::refuse_at(const char* where, const std::string& why) const {
    const bool over = at_ == end_;
    throw JsonMistake(over ? "it ends too early: " + why : why + " at byte " + std::to_string(where - text_));
}

std::string_view JsonCursor::since(const char* from) const {
    const char* to = text_ + *(at_ - 1) + 1;
    return {from, static_cast<std::size_t>(to - from)};
}

std::string_view JsonCursor::skip() {
    const char first = peek();
    if (first != '{' && first != '[') {
        if (first == '\0' || first == '}' || first == ']' || first == ',' || first == ':') refuse("expected a value");
        return scalar();
    }
    const char* from = here();
    int depth = 0;
    do {
        if (at_ == end_) refuse("a bracket is not closed");
        // '[' and '{' differ from ']' and '}' by 2 and are 0x5B and 0x7B: one bit apart.
        const char c = static_cast<char>(text_[*at_++] | 0x20);
        depth += (c == '{') - (c == '}');
    } while (depth > 0);
    return since(from);
}

std::string_view JsonCursor::check(int depth) {
    if (depth > deepest) refuse("it is nested deeper than " + std::to_string(deepest));
    const char first = peek();
    const char* from = here();
    if (first == '{') {
        expect('{');
        if (accept('}')) return since(from);
        do {
            std::string scratch;
            (void)unescaped(key(), scratch);
            (void)check(depth + 1);
        } while (accept(','));
        expect('}');
        return since(from);
    }
    if (first == '[') {
        expect('[');
        if (accept(']')) return since(from);
        do (void)check(depth + 1);
        while (accept(','));
        expect(']');
        return since(from);
    }
    if (first == '"') {
        const std::string_view inside = raw_string();
        std::string scratch;
        (void)unescaped(inside, scratch);
        return {inside.data() - 1, inside.size() + 2};
    }
    if (first == '\0' || first == '}' || first == ']' || first == ',' || first == ':') refuse("expected a value");
    const std::string_view raw = scalar();
    if (raw != "true" && raw != "false" && raw != "null" && !is_number(raw))
        refuse_at(raw.data(), "'" + std::string(raw.substr(0, 20)) + "' is no value");
    return raw;
}

std::string_view unescaped(std::string_view raw, std::string& scratch) {
    const auto* first = static_cast<const char*>(std::memchr(raw.data(), '\\', raw.size()));
    if (first == nullptr) return raw;
    scratch.assign(raw.data(), first);
    for (auto i = static_cast<std::size_t>(first - raw.data()); i < raw.size(); ++i) {
        if (raw[i] != '\\') {
            scratch += raw[i];
            continue;
        }
        const char c = ++i < raw.size() ? raw[i] : '\0';
        switch (c) {
        case '"':
        case '\\':
        case '/': scratch += c; break;
        case 'b': scratch += '\b'; break;
        case 'f': scratch += '\f'; break;
        case 'n': scratch += '\n'; break;
        case 'r': scratch += '\r'; break;
        case 't': scratch += '\t'; break;
        case 'u': {
            const std::int32_t high = hex4(raw, i + 1);
            if (high < 0) throw JsonMistake("a string holds a broken \\u escape");
            i += 4;
            auto point = static_cast<std::uint32_t>(high);
            if (high >= 0xD800 && high < 0xDC00 && raw.substr(i + 1, 2) == "\\u") {
                const std::int32_t low = hex4(raw, i + 3);
                if (low >= 0xDC00 && low < 0xE000) {
                    point = 0x10000 + ((static_cast<std::uint32_t>(high) - 0xD800) << 10) + (static_cast<std::uint32_t>(low) - 0xDC00);
                    i += 6;
                }
            }
            append_utf8(scratch, point >= 0xD800 && point < 0xE000 ? 0xFFFD : point);
            break;
        }
        default: throw JsonMistake("a string holds an unknown escape");
        }
    }
    return scratch;
}

bool is_number(std::string_view raw) {
    std::size_t i = 0;
    const auto digits = [&] {
        const std::size_t from = i;
        while (i < raw.size() && raw[i] >= '0' && raw[i] <= '9') ++i;
        return i - from;
    };
    if (i < raw.size() && raw[i] == '-') ++i;
    const bool zero = i < raw.size() && raw[i] == '0';
    const std::size_t whole = digits();
    if (whole == 0 || (zero && whole > 1)) return false;
    if (i < raw.size() && raw[i] == '.') {
        ++i;
        if (digits() == 0) return false;
    }
    if (i < raw.size() && (raw[i] == 'e' || raw[i] == 'E')) {
        ++i;
        if (i < raw.size() && (raw[i] == '+' || raw[i] == '-')) ++i;
        if (digits() == 0) return false;
    }
    return i == raw.size();
}

} // namespace millrace
