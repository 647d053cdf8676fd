/// Logs that no host came to compress, because it was killed: the runner wrote their end marker, and they would stay as they are until
/// retention removes them. Blocking: for a thread of the pool, a little at a time. Several nodes may do the same in the same folder.
#pragma once

#include "flows/time.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace millrace {

/// Of the run folders `names` in `staging`, those with a log of some size that has ended, is not compressed and was not changed after
/// `before`.
[[nodiscard]] std::vector<std::string> with_plain_logs(const std::filesystem::path& staging, const std::vector<std::string>& names,
                                                       Instant before);

struct Packed {
    std::int64_t files = 0, bytes_before = 0, bytes_after = 0;
};

/// Compresses those logs of a run's folder, and removes what an attempt to do so left behind. Of a run that has ended, or a line that is
/// appended meanwhile is lost. Whoever reads finds either file, whole, and after a crash between the two the plain one, which is
/// compressed again. What cannot be compressed stays as it is. False: `longest` was over before; call it again.
[[nodiscard]] bool pack_logs(const std::filesystem::path& folder, Instant before, std::chrono::milliseconds longest, Packed& packed);

} // namespace millrace
