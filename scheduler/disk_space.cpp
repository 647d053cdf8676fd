#include "scheduler/disk_space.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace millrace {
namespace {

constexpr std::uint64_t mib = 1ULL << 20;

std::string megabytes(std::uint64_t bytes) { return fmt::format("{} MB", bytes / 1'000'000); }

} // namespace

std::uint64_t enough_free(const DiskSpace& disk) {
    return std::min(std::clamp<std::uint64_t>(disk.size / 100, 512 * mib, 4096 * mib), disk.size / 10);
}

std::uint64_t reserve_size(const DiskSpace& disk) { return std::min(64 * mib, disk.size / 50); }

ReserveStep reserve_step(const DiskSpace& disk, std::uint64_t held) {
    const auto whole = reserve_size(disk);
    if (held > 0) return disk.free < whole / 4 ? ReserveStep::GiveUp : ReserveStep::Keep;
    return disk.free >= enough_free(disk) + whole ? ReserveStep::Make : ReserveStep::Keep;
}

std::string told_shortage(const DiskSpace& disk, const std::string& folder) {
    const auto enough = enough_free(disk);
    if (disk.free >= enough) return {};
    return fmt::format("{} are free in {}, task runs begin with {}", megabytes(disk.free), folder, megabytes(enough));
}

} // namespace millrace
