#include "scheduler/store/array_text.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <utility>

namespace millrace {
namespace {

/// Bytes of the well-formed UTF-8 sequence at the front of `s`, 0 when there is none (RFC 3629).
std::size_t sequence_length(std::string_view s) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
    const auto follows = [&](std::size_t i) { return i < s.size() && (byte(i) & 0xC0) == 0x80; };
    const unsigned char b = byte(0);
    if (b < 0x80) return b == 0 ? 0 : 1;
    if (b >= 0xC2 && b <= 0xDF) return follows(1) ? 2 : 0;
    if (b >= 0xE0 && b <= 0xEF) {
        if (!follows(1) || !follows(2)) return 0;
        if (b == 0xE0 && byte(1) < 0xA0) return 0;
        if (b == 0xED && byte(1) > 0x9F) return 0;
        return 3;
    }
    if (b >= 0xF0 && b <= 0xF4) {
        if (!follows(1) || !follows(2) || !follows(3)) return 0;
        if (b == 0xF0 && byte(1) < 0x90) return 0;
        if (b == 0xF4 && byte(1) > 0x8F) return 0;
        return 4;
    }
    return 0;
}

} // namespace

std::string fit_text(std::string_view text) {
    const auto plain = [](char c) { return c > 0; };
    if (std::all_of(text.begin(), text.end(), plain)) return std::string(text);
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const std::size_t n = sequence_length(text);
        if (n == 0) {
            if (text.front() != '\0') out += "\xEF\xBF\xBD";
            text.remove_prefix(1);
        } else {
            out += text.substr(0, n);
            text.remove_prefix(n);
        }
    }
    return out;
}

std::string fit_json(std::string_view json) {
    std::string out = fit_text(json);
    for (std::size_t i = out.find('\\'); i != std::string::npos; i = out.find('\\', i + 2))
        if (out.compare(i, 6, "\\u0000") == 0) out.replace(i, 6, "\\ufffd");
    return out;
}

std::string timestamp_text(Instant t) {
    const auto day = std::chrono::floor<std::chrono::days>(t);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss time(t - day);
    char buffer[48];
    const int n = std::snprintf(buffer, sizeof buffer, "%04d-%02u-%02u %02d:%02d:%02d.%06d+00", static_cast<int>(date.year()),
                                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                                static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
                                static_cast<int>(time.seconds().count()), static_cast<int>(time.subseconds().count()));
    return {buffer, static_cast<std::size_t>(n)};
}

void ArrayText::separate() {
    if (text_.size() > 1) text_ += ',';
}

void ArrayText::add(std::int64_t number) {
    separate();
    char buffer[24];
    const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, number);
    text_.append(buffer, end);
}

void ArrayText::add_word(std::string_view word) {
    separate();
    text_ += word;
}

void ArrayText::add_null() { add_word("NULL"); }

void ArrayText::quote(std::string_view text) {
    separate();
    text_ += '"';
    for (const char c : text) {
        if (c == '"' || c == '\\') text_ += '\\';
        text_ += c;
    }
    text_ += '"';
}

void ArrayText::add_text(std::string_view text) { quote(fit_text(text)); }

void ArrayText::add_json(std::string_view json) {
    if (json.empty()) return add_null();
    quote(fit_json(json));
}

void ArrayText::add_instant(std::optional<Instant> t) {
    if (!t) return add_null();
    if (*t != last_instant_ || last_text_.empty()) {
        last_instant_ = *t;
        last_text_ = '"' + timestamp_text(*t) + '"';
    }
    add_word(last_text_);
}

std::string ArrayText::take() {
    text_ += '}';
    return std::exchange(text_, "{");
}

} // namespace millrace
