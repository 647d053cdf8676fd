/// The lock of the state folder: whoever holds it knows that the former holder is dead.
#pragma once

#include "flows/error.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>

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
    ~StateLock() {
        if (fd_ >= 0) close(fd_);
    }

private:
    int fd_ = -1;
};

} // namespace millrace
