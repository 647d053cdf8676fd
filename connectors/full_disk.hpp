/// What a full disk is called: the file system that has no room, and what to do.
#pragma once

#include <string>

namespace millrace {

/// errno of a disk without room, or of a quota that is used up.
[[nodiscard]] bool is_full_disk(int code);

/// "free space on the file system /mnt/staging: 0 of 67 MB are free", of the one that `path` is on, or would be. Where it cannot be
/// asked: "free space in the staging folder".
[[nodiscard]] std::string full_disk_remedy(const std::string& path);

} // namespace millrace
