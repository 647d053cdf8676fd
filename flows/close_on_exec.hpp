/// For what starts another program. Linux only.
#pragma once

#include <algorithm>
#include <fcntl.h>
#include <linux/close_range.h>
#include <unistd.h>

namespace millrace {

/// None of our descriptors from `first` on gets into the next program: libraries open some that would, and a socket that a
/// server which outlives us holds is one that nobody else can listen on. May be called between fork, or vfork, and exec.
inline void close_on_exec_from(int first) {
    if (close_range(static_cast<unsigned>(first), ~0U, CLOSE_RANGE_CLOEXEC) == 0) return;
    constexpr long most = 1 << 16; // before Linux 5.11; some limits are a thousand million
    const long end = std::min(sysconf(_SC_OPEN_MAX), most);
    for (int descriptor = first; descriptor < end; ++descriptor) fcntl(descriptor, F_SETFD, FD_CLOEXEC);
}

} // namespace millrace
