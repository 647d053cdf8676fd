#include "flows/log_parts.hpp"

#include <array>
#include <charconv>

namespace millrace {
namespace {

constexpr std::uint32_t skippable_frame = 0x184D2A5A; // RFC 8878, 3.1.2

void put(std::string& out, std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
}
std::uint64_t get(std::string_view bytes, std::size_t from, std::size_t count) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < count; ++i) value |= std::uint64_t{static_cast<unsigned char>(bytes[from + i])} << (8 * i);
    return value;
}

} // namespace

std::string log_tail_folder(const std::string& log) { return log + ".tail"; }

std::string part_name(const LogPart& p) {
    std::string out = std::to_string(p.number);
    for (const auto n : {p.lines, p.left_out_lines, p.left_out_bytes, p.begun_at}) out += "-" + std::to_string(n);
    return out;
}

std::optional<LogPart> part_from(std::string_view name) {
    std::array<std::int64_t, 5> numbers{};
    const char *at = name.data(), *end = at + name.size();
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        if (i > 0 && (at == end || *at++ != '-')) return std::nullopt;
        const auto [stop, error] = std::from_chars(at, end, numbers[i]);
        if (error != std::errc()) return std::nullopt;
        at = stop;
    }
    if (const std::string_view rest(at, static_cast<std::size_t>(end - at)); !rest.empty() && rest != ".zst") return std::nullopt;
    return LogPart{numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]};
}

std::string to_bytes(const LogTrailer& trailer) {
    std::string out;
    put(out, skippable_frame, 4);
    put(out, log_trailer_bytes - 8, 4);
    put(out, static_cast<std::uint64_t>(trailer.lines), 8);
    put(out, static_cast<std::uint64_t>(trailer.last_at), 8);
    return out;
}

std::optional<LogTrailer> trailer_from(std::string_view bytes) {
    if (bytes.size() != log_trailer_bytes || get(bytes, 0, 4) != skippable_frame || get(bytes, 4, 4) != log_trailer_bytes - 8)
        return std::nullopt;
    return LogTrailer{static_cast<std::int64_t>(get(bytes, 8, 8)), static_cast<std::int64_t>(get(bytes, 16, 8))};
}

} // namespace millrace
