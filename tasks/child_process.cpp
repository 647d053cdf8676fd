#include "tasks/child_process.hpp"

#include "flows/error.hpp"
#include "flows/process_tree.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <poll.h>
#include <thread>
#include <utility>

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace millrace {
namespace {

using Steady = std::chrono::steady_clock;
constexpr auto patience = std::chrono::seconds(10);            ///< between SIGTERM and SIGKILL; HostPoolConfig::command_grace is longer
constexpr auto after_the_end = std::chrono::seconds(1);        ///< for output that somebody else holds open
constexpr auto for_death = std::chrono::seconds(3);            ///< of what has SIGKILL; longer only where the kernel hangs
constexpr auto between_looks = std::chrono::milliseconds(500); ///< at the memory of a command that has a limit
constexpr std::size_t longest_line = 16 << 10;                 ///< as the log cuts it

class Pipe {
public:
    Pipe() {
        if (::pipe2(ends_.data(), O_CLOEXEC) != 0)
            throw Error(ErrorClass::Resource, std::string("no pipe for a command: ") + std::strerror(errno));
    }
    Pipe(const Pipe&) = delete;
    ~Pipe() {
        close_write();
        ::close(ends_[0]);
    }
    void close_write() {
        if (ends_[1] >= 0) ::close(ends_[1]);
        ends_[1] = -1;
    }
    [[nodiscard]] int read_end() const { return ends_[0]; }
    [[nodiscard]] int write_end() const { return ends_[1]; }

private:
    std::array<int, 2> ends_{-1, -1};
};

/// Cuts a stream into lines, and holds no more of it than the beginning of the one that has not ended.
class Lines {
public:
    Lines(std::string_view level, const ChildProcess::LineSink& sink) : level_(level), sink_(sink) {}

    void add(std::string_view bytes) {
        std::vector<std::string_view> whole;
        std::string first; // began earlier
        for (std::size_t end; (end = bytes.find('\n')) != std::string_view::npos; bytes.remove_prefix(end + 1)) {
            if (is_empty()) {
                whole.push_back(without_return(bytes.substr(0, end)));
                continue;
            }
            extend(bytes.substr(0, end));
            first = take();
            if (!first.empty()) whole.push_back(without_return(first));
        }
        if (!whole.empty()) sink_(level_, whole);
        if (!bytes.empty()) extend(bytes);
    }
    void finish() {
        if (is_empty()) return;
        const std::string last = take();
        if (!last.empty()) sink_(level_, {without_return(last)});
    }

private:
    [[nodiscard]] bool is_empty() const { return partial_.empty() && !cut_; }

    static std::string_view without_return(std::string_view line) { return line.substr(0, line.size() - (line.ends_with('\r') ? 1 : 0)); }

    void extend(std::string_view bytes) {
        const auto room = cut_ ? 0 : std::min(longest_line - partial_.size(), bytes.size());
        partial_ += bytes.substr(0, room);
        left_out_ += bytes.size() - room;
        if (cut_ || partial_.size() < longest_line) return;
        sink_(level_, {partial_});
        cut_ = true;
    }

    std::string take() {
        auto begun = std::exchange(partial_, {});
        const auto left_out = std::exchange(left_out_, 0);
        if (!std::exchange(cut_, false)) return begun;
        return left_out == 0 ? "" : "... (" + std::to_string(left_out) + " bytes more)";
    }

    std::string_view level_;
    const ChildProcess::LineSink& sink_;
    std::string partial_;
    std::size_t left_out_ = 0; ///< bytes of it
    bool cut_ = false;         ///< its beginning was handed over
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> out;
    for (std::string& text : texts) out.push_back(text.data());
    out.push_back(nullptr);
    return out;
}

/// The files that execvp would try, in its order, but in the PATH of the command instead of ours.
std::vector<std::string> places_of(const std::string& program, const std::map<std::string, std::string>& env) {
    if (program.empty() || program.find('/') != std::string::npos) return {program};
    const auto path = env.find("PATH");
    const std::string folders = path == env.end() ? "/bin:/usr/bin" : path->second;
    std::vector<std::string> places;
    for (std::size_t begin = 0; begin <= folders.size();) {
        const std::size_t end = std::min(folders.find(':', begin), folders.size());
        const std::string folder = folders.substr(begin, end - begin);
        places.push_back(folder.empty() ? program : folder + "/" + program);
        begin = end + 1;
    }
    return places;
}

/// All that the child needs, made before there is one.
struct Start {
    const char* folder;
    char* const* places; ///< where the program may be
    char* const* argv;
    char* const* script; ///< {"/bin/sh", place, arguments ...}: the place is filled in
    char* const* envp;
    int out, err, report;
    pid_t parent;
};

/// As execvp does: the first that can be run; a file without a format is a script of the shell. Returns errno.
int run_first(const Start& start) {
    int code = ENOENT;
    for (char* const* place = start.places; *place != nullptr; ++place) {
        ::execve(*place, start.argv, start.envp);
        if (errno == ENOEXEC) {
            const_cast<char**>(start.script)[1] = *place;
            ::execve(start.script[0], start.script, start.envp);
        }
        if (errno == EACCES)
            code = EACCES; // another one may do
        else if (errno != ENOENT && errno != ENOTDIR)
            return errno;
    }
    return code;
}

/// Between vfork and exec: nothing here may allocate, throw or touch what the parent uses. Reports errno when it fails.
[[noreturn]] void become(const Start& start) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != start.parent) ::_exit(127); // it died before the line above
    ::setsid();
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
    const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    int code = 0;
    if (null >= 0 && ::dup2(null, 0) == 0 && ::dup2(start.out, 1) == 1 && ::dup2(start.err, 2) == 2 && ::chdir(start.folder) == 0)
        code = run_first(start);
    else
        code = errno;
    [[maybe_unused]] const ssize_t told = ::write(start.report, &code, sizeof code);
    ::_exit(127);
}

[[gnu::noinline]] pid_t start_child(const Start& start) {
    const pid_t pid = ::vfork(); // fork would copy the page tables of all that DuckDB maps
    if (pid == 0) become(start);
    return pid;
}

/// Takes the ends of adopted processes. The command's own is left to its waitpid.
void reap_adopted(pid_t command) {
    for (;;) {
        siginfo_t info{};
        if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0 || info.si_pid == command) return;
        ::waitpid(info.si_pid, nullptr, WNOHANG);
    }
}

/// Takes the ends of those that ended.
bool has_children() {
    for (;;) {
        siginfo_t info{};
        if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG) != 0) return false;
        if (info.si_pid == 0) return true;
    }
}

/// Kills everything below this process and waits until it is gone: whoever has lost its parent is a child of ours.
void end_descendants() {
    const Steady::time_point deadline = Steady::now() + for_death;
    while (has_children() && Steady::now() < deadline) {
        kill_descendants(::getpid());
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

/// Without reaping it.
bool has_ended(pid_t pid) {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
}

int take_end(pid_t pid) {
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

/// `status` is waitpid's.
ChildEnd with_status(ChildEnd end, int status) {
    if (WIFSIGNALED(status))
        end.signal = WTERMSIG(status);
    else
        end.exit_code = WEXITSTATUS(status);
    return end;
}

} // namespace

ChildEnd ChildProcess::watch(pid_t pid, int out, int err, std::int64_t memory_bytes, const LineSink& lines) {
    Lines out_lines("out", lines), err_lines("err", lines);
    const int end = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    std::array<pollfd, 3> sources{{{out, POLLIN, 0}, {err, POLLIN, 0}, {end, POLLIN, 0}}};
    std::vector<char> block(1 << 16);
    std::optional<Steady::time_point> told_to_stop, ended;
    Steady::time_point looked = Steady::now();
    ChildEnd result;
    while (sources[0].fd >= 0 || sources[1].fd >= 0 || !ended) {
        ::poll(sources.data(), sources.size(), 50);
        for (pollfd& source : sources) {
            if (source.fd < 0 || source.fd == end || source.revents == 0) continue;
            const ssize_t n = ::read(source.fd, block.data(), block.size());
            if (n > 0)
                (source.fd == out ? out_lines : err_lines).add({block.data(), static_cast<std::size_t>(n)});
            else
                source.fd = -1;
        }
        const Steady::time_point now = Steady::now();
        if (stopping_ && !told_to_stop) {
            told_to_stop = now;
            for (const pid_t process : descendants(::getpid())) ::kill(process, SIGTERM);
        }
        if (!ended && told_to_stop && now - *told_to_stop > patience) kill_descendants(::getpid());
        if (ended) {
            if (Steady::now() - *ended > after_the_end) break;
            continue;
        }
        if (memory_bytes > 0 && result.memory_bytes == 0 && now - looked > between_looks) {
            if (const std::int64_t held = memory_of(descendants(::getpid())); held > memory_bytes) {
                result.memory_bytes = held;
                kill_descendants(::getpid());
            }
            looked = Steady::now();
        }
        reap_adopted(pid);
        if (has_ended(pid)) {
            result = with_status(result, take_end(pid));
            end_descendants();
            ended = Steady::now();
            sources[2].fd = -1;
        }
    }
    if (end >= 0) ::close(end);
    out_lines.finish();
    err_lines.finish();
    return result;
}

ChildEnd ChildProcess::run(const ChildCommand& command, const LineSink& lines) {
    std::vector<std::string> args = command.argv, variables;
    for (const auto& [name, value] : command.env) variables.push_back(name + "=" + value);
    std::vector<std::string> files = places_of(args.at(0), command.env), script = args;
    script[0] = "/bin/sh";
    script.insert(script.begin() + 1, "");
    const std::vector<char*> argv = pointers(args), envp = pointers(variables), places = pointers(files), shell = pointers(script);
    Pipe out, err, report;
    ::prctl(PR_SET_CHILD_SUBREAPER, 1); // whoever leaves the command's session or loses its parent stays below us
    const pid_t pid = start_child({command.folder.c_str(), places.data(), argv.data(), shell.data(), envp.data(), out.write_end(),
                                   err.write_end(), report.write_end(), ::getpid()});
    if (pid < 0) throw Error(ErrorClass::Resource, "no process for '" + command.argv.at(0) + "': " + std::strerror(errno));
    out.close_write();
    err.close_write();
    report.close_write();
    int code = 0;
    const bool failed = ::read(report.read_end(), &code, sizeof code) == sizeof code;
    if (!failed) return watch(pid, out.read_end(), err.read_end(), command.memory_bytes, lines);
    take_end(pid);
    throw Error(ErrorClass::Permanent, "the command '" + command.argv.at(0) + "' cannot be started: " + std::strerror(code),
                code == ENOENT  ? "install it on this machine, or name it with its path; PATH may be set in `env` of the task"
                : code == E2BIG ? "give it less in its arguments and `env`: a list goes into a file, or into `for_each`"
                                : "make it a program that this user may run: chmod +x, and a first line such as #!/bin/sh");
}

} // namespace millrace
