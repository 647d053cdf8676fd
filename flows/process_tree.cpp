#include "flows/process_tree.hpp"

#include <charconv>
#include <csignal>
#include <cstdlib>
#include <dirent.h>
#include <fcntl.h>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace millrace {
namespace {

struct Process {
    pid_t pid, parent;
};

std::vector<pid_t> numbers_in_proc() {
    const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc"), &::closedir);
    std::vector<pid_t> out;
    while (const dirent* entry = folder ? ::readdir(folder.get()) : nullptr) {
        const std::string_view name = entry->d_name;
        pid_t pid = 0;
        const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
        if (error == std::errc() && end == name.data() + name.size()) out.push_back(pid);
    }
    return out;
}

/// Empty for a process that is gone: it may go between open and read, where a stream's iterator would throw.
std::string content_of(pid_t pid, const char* file) {
    const std::string path = "/proc/" + std::to_string(pid) + "/" + file;
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return {};
    std::string out;
    char block[4096];
    for (ssize_t n; (n = ::read(fd, block, sizeof block)) > 0;) out.append(block, static_cast<std::size_t>(n));
    ::close(fd);
    return out;
}

/// Nothing for a zombie.
std::optional<Process> living(pid_t pid) {
    const std::string stat = content_of(pid, "stat"); // "12 (any (name)) S 1 ..."
    const std::size_t name_end = stat.rfind(')');
    if (name_end == std::string::npos || name_end + 4 >= stat.size()) return std::nullopt;
    const char state = stat[name_end + 2];
    if (state == 'Z' || state == 'X') return std::nullopt;
    return Process{pid, static_cast<pid_t>(std::atoi(stat.c_str() + name_end + 4))};
}

/// What `find` answers gets SIGKILL, until two looks in a row show nothing new: one look may miss a process whose parent
/// ends while it is under way.
template <class Find>
std::size_t kill_all(Find find) {
    std::set<pid_t> killed;
    for (int quiet = 0; quiet < 2;) {
        ++quiet;
        for (const pid_t pid : find())
            if (killed.insert(pid).second && ::kill(pid, SIGKILL) == 0) quiet = 0;
    }
    return killed.size();
}

/// In the middle of execve() a process has no environment to be read: a command that just begins may look like this.
bool may_be_beginning(pid_t pid) {
    constexpr pid_t kernel = 2; // parent of the kernel's own threads, which have none for ever
    struct stat folder {};
    const auto process = living(pid);
    return process && process->parent != kernel && pid != kernel && ::stat(("/proc/" + std::to_string(pid)).c_str(), &folder) == 0 &&
           folder.st_uid == ::geteuid();
}

/// `assignment` is one of those in `environment`, each of which ends with NUL.
bool is_marked(const std::string& environment, const std::string& assignment) {
    for (std::size_t at = 0; at < environment.size(); at = environment.find('\0', at) + 1) {
        if (environment.compare(at, assignment.size(), assignment) == 0) return true;
        if (environment.find('\0', at) == std::string::npos) break;
    }
    return false;
}

} // namespace

std::vector<pid_t> descendants(pid_t root) {
    std::multimap<pid_t, pid_t> children;
    for (const pid_t pid : numbers_in_proc())
        if (const auto process = living(pid)) children.emplace(process->parent, pid);
    std::vector<pid_t> out{root};
    for (std::size_t i = 0; i < out.size(); ++i)
        for (auto [child, end] = children.equal_range(out[i]); child != end; ++child) out.push_back(child->second);
    out.erase(out.begin());
    return out;
}

std::int64_t memory_of(const std::vector<pid_t>& processes) {
    constexpr std::string_view name = "\nPss:";
    std::int64_t kilobytes = 0;
    for (const pid_t pid : processes) {
        const std::string sums = content_of(pid, "smaps_rollup");
        const std::size_t at = sums.find(name);
        if (at != std::string::npos) kilobytes += std::atoll(sums.c_str() + at + name.size());
    }
    return kilobytes * 1024;
}

void kill_descendants(pid_t root) {
    kill_all([root] { return descendants(root); });
}

std::size_t kill_marked(const std::string& prefix) {
    const std::string assignment = std::string(attempt_mark) + "=" + prefix;
    std::size_t killed = 0;
    for (int looks = 0; looks < 20; ++looks) {
        bool unsure = false;
        killed += kill_all([&] {
            std::vector<pid_t> out;
            for (const pid_t pid : numbers_in_proc()) {
                const std::string environment = content_of(pid, "environ");
                if (pid != ::getpid() && is_marked(environment, assignment)) out.push_back(pid);
                unsure = unsure || (environment.empty() && may_be_beginning(pid));
            }
            return out;
        });
        if (!unsure) break;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return killed;
}

} // namespace millrace
