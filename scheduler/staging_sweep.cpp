#include "scheduler/staging_sweep.hpp"

#include <algorithm>
#include <cctype>

#include <fcntl.h>
#include <sys/stat.h>

namespace millrace {
namespace fs = std::filesystem;
namespace {

bool is_uuid(const std::string& name) {
    if (name.size() != 36) return false;
    for (std::size_t i = 0; i < name.size(); ++i) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? name[i] != '-' : std::isxdigit(static_cast<unsigned char>(name[i])) == 0) return false;
    }
    return true;
}

bool has_only_logs(const fs::path& folder) {
    std::error_code failure;
    for (fs::directory_iterator entries(folder, failure), end; !failure && entries != end; entries.increment(failure))
        if (entries->path().filename() != "logs") return false;
    return !failure;
}

class Sweep {
public:
    Sweep(const std::set<Kept>& kinds, std::chrono::milliseconds longest, Swept& swept)
        : kinds_(kinds), until_(std::chrono::steady_clock::now() + longest), swept_(swept) {}

    /// What is below `folder`, whose path below the run's is `below` ("" or "task/"). True: it is empty now.
    bool clear(const fs::path& folder, const std::string& below) {
        std::error_code failure;
        bool is_empty = true;
        fs::directory_iterator entries(folder, failure);
        if (failure) return failed(folder, failure);
        for (; entries != fs::directory_iterator(); entries.increment(failure)) {
            if (failure) return failed(folder, failure);
            if (std::chrono::steady_clock::now() > until_) out_of_time_ = true;
            if (out_of_time_) return false;
            const auto& entry = *entries;
            const std::string path = below + entry.path().filename().string();
            const auto status = entry.symlink_status(failure);
            if (!failure && fs::is_directory(status))
                is_empty = (clear(entry.path(), path + "/") && remove(entry.path())) && is_empty;
            else
                is_empty = (kinds_.contains(kind_of(path)) && remove_file(entry)) && is_empty;
        }
        return is_empty;
    }
    [[nodiscard]] bool out_of_time() const { return out_of_time_; }
    bool remove(const fs::path& path) {
        std::error_code failure;
        fs::remove(path, failure);
        return failure ? failed(path, failure) : true;
    }

private:
    bool remove_file(const fs::directory_entry& entry) {
        struct stat about {};
        const bool counted = ::lstat(entry.path().c_str(), &about) == 0;
        if (!remove(entry.path())) return false;
        if (!counted) return true;
        ++swept_.files;
        swept_.bytes += static_cast<std::int64_t>(about.st_blocks) * 512;
        return true;
    }
    /// True: it is not there any more, which is what was wanted.
    bool failed(const fs::path& path, const std::error_code& why) {
        if (why == std::errc::no_such_file_or_directory) return true;
        if (swept_.failed++ == 0) swept_.failure = "cannot remove " + path.string() + ": " + why.message();
        return false;
    }

    const std::set<Kept>& kinds_;
    std::chrono::steady_clock::time_point until_;
    Swept& swept_;
    bool out_of_time_ = false;
};

} // namespace

std::vector<std::string> run_folders(const fs::path& staging) {
    std::vector<std::string> names;
    std::error_code failure;
    for (fs::directory_iterator entries(staging, failure), end; !failure && entries != end; entries.increment(failure))
        if (auto name = entries->path().filename().string(); is_uuid(name)) names.push_back(std::move(name));
    return names;
}

std::vector<RunFolder> changed_before(const fs::path& staging, const std::vector<std::string>& names, Instant before, Instant logs_before) {
    std::vector<RunFolder> out;
    for (const auto& name : names) {
        struct stat about {};
        if (::lstat((staging / name).c_str(), &about) != 0 || !S_ISDIR(about.st_mode)) continue;
        const Instant changed_at(std::chrono::seconds(about.st_mtim.tv_sec));
        if (changed_at <= before && (changed_at <= logs_before || !has_only_logs(staging / name))) out.push_back({name, changed_at});
    }
    return out;
}

void Swept::add(const Swept& other) {
    files += other.files, bytes += other.bytes, folders += other.folders;
    if (failed == 0) failure = other.failure;
    failed += other.failed;
}

bool sweep(const fs::path& folder, const std::set<Kept>& kinds, std::chrono::milliseconds longest, Swept& swept) {
    struct stat about {};
    if (::lstat(folder.c_str(), &about) != 0) return true;
    Sweep sweep(kinds, longest, swept);
    if (sweep.clear(folder, "")) {
        if (sweep.remove(folder)) ++swept.folders;
        return true;
    }
    const timespec times[] = {about.st_atim, about.st_mtim};
    (void)::utimensat(AT_FDCWD, folder.c_str(), times, AT_SYMLINK_NOFOLLOW);
    return !sweep.out_of_time();
}

} // namespace millrace
