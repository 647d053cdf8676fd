/// How the log of an attempt lies on disk, for who writes it (tasks/) and who reads it (scheduler/). Pure.
///
///     hours.1.ndjson                the beginning, up to head_bytes; a small log is nothing else
///     hours.1.ndjson.tail/PART ..   what follows, in files of part_bytes, of which the last most_parts stay: what was between is left out
///     each with ".zst" in its place when the attempt ended and the log is of some size: zstd frames of the same bytes, then a trailer
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace {

struct LogLimits {
    std::int64_t head_bytes = 8 << 20;
    std::int64_t part_bytes = 8 << 20;
    int most_parts = 7;
    std::int64_t compress_from = 16 << 10; ///< bytes of the whole log
};

/// A file of the tail, as its name says: "12-81920-40960-67108864-1764482400000000".
struct LogPart {
    std::int64_t number = 1;                             ///< from 1 on
    std::int64_t lines = 0;                              ///< of the log before it
    std::int64_t left_out_lines = 0, left_out_bytes = 0; ///< of them, gone when it was begun
    std::int64_t begun_at = 0;                           ///< microseconds; its first line is not earlier
};

[[nodiscard]] std::string log_tail_folder(const std::string& log);
[[nodiscard]] std::string part_name(const LogPart& part);
/// Nothing for the name of another file; ".zst" is not looked at.
[[nodiscard]] std::optional<LogPart> part_from(std::string_view name);

/// The last bytes of a compressed file, which zstd skips: what is asked of it most does not need the rest.
struct LogTrailer {
    std::int64_t lines = 0;
    std::int64_t last_at = 0; ///< microseconds; of its last line
};
inline constexpr std::size_t log_trailer_bytes = 24;
[[nodiscard]] std::string to_bytes(const LogTrailer& trailer);
[[nodiscard]] std::optional<LogTrailer> trailer_from(std::string_view bytes);

} // namespace millrace
