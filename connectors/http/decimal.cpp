#include "connectors/http/record_writer.hpp"

#include <charconv>

namespace millrace {

std::string plain_number(std::string_view text) {
    constexpr int longest = 100;
    const auto e = text.find_first_of("eE");
    if (e == std::string_view::npos) return std::string(text);
    const std::string_view exponent_text = text.substr(text[e + 1] == '+' ? e + 2 : e + 1);
    int exponent = 0;
    const auto [end, status] = std::from_chars(exponent_text.data(), exponent_text.data() + exponent_text.size(), exponent);
    if (status != std::errc() || exponent > longest || exponent < -longest) return std::string(text);
    const bool negative = text.front() == '-';
    const std::string_view mantissa = text.substr(negative ? 1 : 0, e - (negative ? 1 : 0));
    const auto point = mantissa.find('.');
    std::string digits(mantissa.substr(0, point));
    const int whole = static_cast<int>(digits.size()) + exponent; // digits before the point
    if (point != std::string_view::npos) digits += mantissa.substr(point + 1);
    if (whole < 1) digits.insert(0, static_cast<std::size_t>(1 - whole), '0');
    const auto before = static_cast<std::size_t>(whole < 1 ? 1 : whole);
    if (digits.size() < before) digits.append(before - digits.size(), '0');
    if (digits.size() > before) digits.insert(before, ".");
    return (negative ? "-" : "") + digits;
}

bool parse_decimal(std::string_view text, int width, int scale, duckdb::Int128& value, FineDigits fine) {
    if (!is_number(text)) return false;
    const bool negative = text.front() == '-';
    if (negative) text.remove_prefix(1);
    long exponent = 0;
    if (const auto e = text.find_first_of("eE"); e != std::string_view::npos) {
        bool minus = false;
        for (const char c : text.substr(e + 1)) {
            if (c == '-') minus = true;
            if (c >= '0' && c <= '9' && exponent < 100000) exponent = exponent * 10 + (c - '0');
        }
        if (minus) exponent = -exponent;
        text = text.substr(0, e);
    }
    // The value is `digits` * 10^(exponent - fraction); shift it so that the last digit stands for 10^-scale.
    duckdb::Int128 digits = 0;
    int significant = 0;
    long fraction = 0;
    bool after_point = false;
    for (const char c : text) {
        if (c == '.') {
            after_point = true;
            continue;
        }
        if (after_point) ++fraction;
        if (significant > 0 || c != '0') ++significant;
        if (significant > 38) {
            if ((c != '0' && fine == FineDigits::Refuse) || !after_point) return false;
            --fraction; // a digit that no longer fits says nothing, for it cannot turn the rounding
            continue;
        }
        digits = digits * 10 + (c - '0');
    }
    value = 0;
    if (digits == 0) return true;
    long shift = scale + exponent - fraction;
    int dropped = 0; // the last digit that went
    for (; shift < 0 && (digits != 0 || dropped != 0); ++shift) {
        dropped = static_cast<int>(digits % 10);
        if (dropped != 0 && fine == FineDigits::Refuse) return false;
        digits /= 10;
    }
    if (dropped >= 5) ++digits;
    duckdb::Int128 limit = 1;
    for (int i = 0; i < width; ++i) limit *= 10;
    for (; shift > 0 && digits != 0; --shift) {
        if (digits >= limit / 10) return false; // asked before the step: 38 digits and one more overflow
        digits *= 10;
    }
    if (digits >= limit) return false;
    value = negative ? -digits : digits;
    return true;
}

} // namespace millrace
