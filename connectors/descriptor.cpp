#include "connectors/descriptor.hpp"

#include "connectors/full_disk.hpp"
#include "flows/error.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace millrace {

void refuse_file(const std::string& what, const std::string& path) {
    const int code = errno;
    const bool full = is_full_disk(code);
    throw Error(full ? ErrorClass::Resource : ErrorClass::Transient, what + " " + path + ": " + std::strerror(code),
                full ? full_disk_remedy(path) : "");
}

Descriptor::Descriptor(std::string path, int flags) : path_(std::move(path)), fd_(::open(path_.c_str(), flags | O_CLOEXEC, 0600)) {
    if (fd_ < 0) refuse_file("cannot open", path_);
}

Descriptor::~Descriptor() { ::close(fd_); }

void Descriptor::write(const char* data, std::size_t n) const {
    while (n > 0) {
        const ssize_t done = ::write(fd_, data, n);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) refuse_file("cannot write", path_);
        data += done;
        n -= static_cast<std::size_t>(done);
    }
}

std::size_t Descriptor::read(char* data, std::size_t n) const {
    const ssize_t got = ::read(fd_, data, n);
    if (got < 0) refuse_file("cannot read", path_);
    return static_cast<std::size_t>(got);
}

void Descriptor::sync() const {
    if (::fsync(fd_) != 0) refuse_file("cannot sync", path_);
}

void Descriptor::begin_sync() const { (void)::sync_file_range(fd_, 0, 0, SYNC_FILE_RANGE_WRITE); }

void sync_folder(const std::string& path) { Descriptor(path, O_RDONLY | O_DIRECTORY).sync(); }

} // namespace millrace
