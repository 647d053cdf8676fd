/// An open file whose failures are our errors: a full disk is Error{Resource}, everything else Error{Transient}.
#pragma once

#include <cstddef>
#include <string>

namespace millrace {

class Descriptor {
public:
    /// Flags of open(2); a new file is for the owner only.
    Descriptor(std::string path, int flags);
    Descriptor(const Descriptor&) = delete;
    ~Descriptor();

    void write(const char* data, std::size_t n) const;
    /// 0: the end.
    [[nodiscard]] std::size_t read(char* data, std::size_t n) const;
    void sync() const;
    /// Lets the disk begin with what sync() would wait for; a failure is left to that.
    void begin_sync() const;
    [[nodiscard]] const std::string& path() const { return path_; }

private:
    std::string path_;
    int fd_;
};

/// Throws what errno says of `path`.
[[noreturn]] void refuse_file(const std::string& what, const std::string& path);

void sync_folder(const std::string& path);

} // namespace millrace
