#pragma once
#include <cstdint>
#include <string>
#include <string_view>

/// Numbers that look random and are a pure function of what they are about: everything here is made from a seed.
namespace millrace::sandbox {

constexpr std::uint64_t mix(std::uint64_t value) {
    value += 0x9e3779b97f4a7c15;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
    value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
    return value ^ (value >> 31);
}

constexpr std::uint64_t mix(std::uint64_t first, std::uint64_t second) { return mix(mix(first) ^ second); }

constexpr std::uint64_t mix(std::uint64_t first, std::uint64_t second, std::uint64_t third) { return mix(mix(first, second) ^ third); }

/// A number in [0, 1) of `hash`.
constexpr double fraction_of(std::uint64_t hash) { return static_cast<double>(hash >> 11) * 0x1.0p-53; }

/// The same fraction as a threshold: `hash < threshold(f)` holds for the share `f` of all hashes.
constexpr std::uint64_t threshold(double fraction) {
    return fraction >= 1 ? ~std::uint64_t{0} : fraction <= 0 ? 0 : static_cast<std::uint64_t>(fraction * 0x1.0p64);
}

/// Appends `digits` hexadecimal digits of `value`, most significant first.
void append_hex(std::string& out, std::uint64_t value, int digits);

/// An id like the service's: 24 hexadecimal digits, the first eight of them the second in which it was made.
std::string object_id(std::int64_t created, std::uint64_t salt);

/// Appends `text` with what JSON demands escaped, without the quotes around it.
void append_escaped(std::string& out, std::string_view text);

} // namespace millrace::sandbox
