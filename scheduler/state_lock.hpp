/// The lock of the state folder: whoever holds it knows that the former holder is dead. The lock's file keeps the folder's mark,
/// so that folders of one path on machines of one name are two nodes.
#pragma once

#include "flows/error.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <random>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace millrace {

class StateLock {
public:
    void take(const std::string& folder) {
        std::filesystem::create_directories(folder);
        const std::string path = folder + "/node.lock";
        fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd_ < 0)
            throw Error(ErrorClass::Resource, "cannot open " + path + ": " + std::strerror(errno), "check the rights of the state folder");
        if (flock(fd_, LOCK_EX | LOCK_NB) != 0)
            throw Error(ErrorClass::Permanent, "another millrace daemon uses the state folder " + folder,
                        "stop it, or give this one another `state` folder");
    }
    /// Eight hexadecimal digits, made by the first who takes the lock. Throws Error{Resource}.
    [[nodiscard]] std::string mark() const {
        char kept[9] = {};
        if (pread(fd_, kept, 8, 0) == 8 && std::string_view(kept).find_first_not_of("0123456789abcdef") == std::string_view::npos)
            return kept;
        std::snprintf(kept, sizeof kept, "%08x", static_cast<unsigned>(std::random_device()()));
        if (pwrite(fd_, kept, 8, 0) != 8 || fsync(fd_) != 0)
            throw Error(ErrorClass::Resource, std::string("cannot write node.lock in the state folder: ") + std::strerror(errno),
                        "check its free space and rights");
        return kept;
    }
    ~StateLock() {
        if (fd_ >= 0) close(fd_);
    }

private:
    int fd_ = -1;
};

} // namespace millrace
