/// A JSON text and where its tokens begin: simdjson's first pass (UTF-8 checked, strings and brackets found, a few GB/s), walked
/// by a cursor of our own, since we need the raw digits of numbers, the raw text of records and positions for messages.
///
/// The cursor checks the grammar of everything that it steps over one by one; `skip` only counts brackets.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

namespace millrace {

/// The text is no JSON; what() says why and at which byte.
class JsonMistake : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Bytes that are no UTF-8: perhaps JSON in another encoding.
class EncodingMistake : public JsonMistake {
public:
    EncodingMistake() : JsonMistake("it is not UTF-8") {}
};

class JsonIndex {
public:
    JsonIndex();
    JsonIndex(JsonIndex&&) noexcept;
    ~JsonIndex();

    /// The text must be followed by 64 bytes that may be read, and outlive the index. Throws JsonMistake (empty, an unclosed
    /// string), EncodingMistake.
    void read(std::string_view text);

    [[nodiscard]] std::string_view text() const { return text_; }
    [[nodiscard]] const std::uint32_t* begin() const { return tokens_; }
    [[nodiscard]] const std::uint32_t* end() const { return tokens_ + count_; }

private:
    struct Parser;
    std::unique_ptr<Parser> parser_;
    std::string_view text_;
    const std::uint32_t* tokens_ = nullptr; ///< offsets; behind the last one stands the length of the text
    std::uint32_t count_ = 0;
};

/// A position in an indexed text. Cheap to copy.
class JsonCursor {
public:
    explicit JsonCursor(const JsonIndex& index) : text_(index.text().data()), at_(index.begin()), end_(index.end()) {}

    /// The first character of the token here; 0 at the end.
    [[nodiscard]] char peek() const { return at_ == end_ ? '\0' : text_[*at_]; }
    [[nodiscard]] bool at_end() const { return at_ == end_; }
    [[nodiscard]] std::uint32_t offset() const { return *at_; }
    [[nodiscard]] const char* here() const { return text_ + *at_; }

    /// Steps over `c`, which must be here.
    void expect(char c) {
        if (peek() != c) refuse(std::string("expected '") + c + "'");
        ++at_;
    }
    /// Steps over `c` if it is here.
    bool accept(char c) {
        if (peek() != c) return false;
        ++at_;
        return true;
    }

    /// The raw text of the scalar here, without surrounding space: a number, true, null, or a string with its quotes. Steps over it.
    std::string_view scalar() {
        const std::uint32_t from = *at_++;
        std::uint32_t to = *at_;
        while (to > from && is_space(text_[to - 1])) --to;
        return {text_ + from, to - from};
    }
    /// The inside of the string here, escapes as they stand. Steps over it.
    std::string_view raw_string() {
        if (peek() != '"') refuse("expected a string");
        const std::string_view quoted = scalar();
        if (quoted.size() < 2 || quoted.back() != '"') refuse_at(quoted.data(), "text after a string");
        return quoted.substr(1, quoted.size() - 2);
    }
    /// A member's name and its colon.
    std::string_view key() {
        const std::string_view name = raw_string();
        expect(':');
        return name;
    }

    /// Steps over one value of any kind, counting brackets. Gives its raw text.
    std::string_view skip();
    /// Steps over one value of any kind and checks it to the last token. Gives its raw text.
    std::string_view check() { return check(0); }

    [[noreturn]] void refuse(const std::string& why) const;

private:
    [[nodiscard]] static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
    [[noreturn]] void refuse_at(const char* where, const std::string& why) const;
    std::string_view check(int depth);
    [[nodiscard]] std::string_view since(const char* from) const;

    const char* text_;
    const std::uint32_t* at_;
    const std::uint32_t* end_;
};

/// The text of a string token's inside; `scratch` holds it where there are escapes. Throws JsonMistake for a broken escape.
/// A lone surrogate, which no UTF-8 can hold, becomes U+FFFD.
[[nodiscard]] std::string_view unescaped(std::string_view raw, std::string& scratch);
/// A number by JSON's grammar.
[[nodiscard]] bool is_number(std::string_view raw);

} // namespace millrace
