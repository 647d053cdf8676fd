#include "connectors/full_disk.hpp"

#include <cerrno>
#include <filesystem>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

namespace millrace {
namespace fs = std::filesystem;
namespace {

/// The folder, or that on the way to it which is there.
fs::path existing_part_of(fs::path path) {
    struct stat found {};
    while (::stat(path.c_str(), &found) != 0 && path.has_relative_path()) path = path.parent_path();
    return path;
}

/// The topmost folder of the same device.
fs::path mount_point_of(fs::path path) {
    struct stat here {};
    struct stat above {};
    if (::stat(path.c_str(), &here) != 0) return path;
    while (path.has_relative_path() && ::stat(path.parent_path().c_str(), &above) == 0 && above.st_dev == here.st_dev)
        path = path.parent_path();
    return path;
}

} // namespace

bool is_full_disk(int code) { return code == ENOSPC || code == EDQUOT; }

std::string full_disk_remedy(const std::string& path) {
    struct statvfs found {};
    const fs::path place = path.empty() ? fs::path() : existing_part_of(path);
    if (!place.is_absolute() || ::statvfs(place.c_str(), &found) != 0) return "free space in the staging folder";
    const auto megabytes = [&found](std::uint64_t blocks) { return blocks * found.f_frsize / 1'000'000; };
    return fmt::format("free space on the file system {}: {} of {} MB are free", mount_point_of(place).string(), megabytes(found.f_bavail),
                       megabytes(found.f_blocks));
}

} // namespace millrace
