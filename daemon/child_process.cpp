#include "daemon/child_process.hpp"

#include "flows/close_on_exec.hpp"
#include "flows/error.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

extern char** environ;

namespace millrace {
namespace {

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> out;
    for (auto& text : texts) out.push_back(text.data());
    out.push_back(nullptr);
    return out;
}

std::vector<std::string> merged_environment(const std::map<std::string, std::string>& added) {
    std::vector<std::string> out;
    for (char** e = environ; *e; ++e) {
        const std::string entry = *e;
        if (!added.contains(entry.substr(0, entry.find('=')))) out.push_back(entry);
    }
    for (const auto& [name, value] : added) out.push_back(name + "=" + value);
    return out;
}

/// Between fork and exec: only async-signal-safe calls. Writes errno to `report` and ends when something fails.
[[noreturn]] void become(const ChildOptions& o, char** argv, char** envp, int output, int report, pid_t parent) {
    const auto fail = [&] {
        const int code = errno;
        [[maybe_unused]] const auto n = write(report, &code, sizeof code);
        _exit(127);
    };
    if (o.own_session) setsid();
    const int input = open("/dev/null", O_RDONLY);
    if (input < 0 || dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0) fail();
    if (o.descriptor_3 && (*o.descriptor_3 == 3 ? fcntl(3, F_SETFD, 0) : dup2(*o.descriptor_3, 3)) < 0) fail();
    if (o.gid && (setgroups(0, nullptr) != 0 || setgid(*o.gid) != 0)) fail();
    if (o.uid && setuid(*o.uid) != 0) fail();
    if (o.dies_with_us) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != parent) _exit(127); // ended before the line above
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    signal(SIGPIPE, SIG_DFL);
    close_on_exec_from(o.descriptor_3 ? 4 : 3);
    execve(argv[0], argv, envp);
    fail();
    _exit(127);
}

pid_t spawn(const ChildOptions& options, int output) {
    auto arguments = options.argv;
    auto environment = merged_environment(options.environment);
    auto argv = pointers(arguments);
    auto envp = pointers(environment);
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0) throw Error(ErrorClass::Resource, std::string("no pipe: ") + std::strerror(errno));
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid == 0) become(options, argv.data(), envp.data(), output, report[1], parent);
    close(report[1]);
    int code = 0;
    const bool failed = pid < 0 || read(report[0], &code, sizeof code) == sizeof code;
    close(report[0]);
    if (failed) {
        if (pid < 0) code = errno;
        if (pid > 0) waitpid(pid, nullptr, 0);
        throw Error(ErrorClass::Resource, options.argv[0] + " cannot be started: " + std::strerror(code));
    }
    return pid;
}

} // namespace

pid_t start_child(const ChildOptions& options) {
    const std::string& path = options.output.empty() ? "/dev/null" : options.output;
    const int output = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (output < 0) throw Error(ErrorClass::Resource, path + " cannot be written: " + std::strerror(errno));
    try {
        const pid_t pid = spawn(options, output);
        close(output);
        return pid;
    } catch (...) {
        close(output);
        throw;
    }
}

ChildResult run_child(const ChildOptions& options) {
    int output[2];
    if (pipe2(output, O_CLOEXEC) != 0) throw Error(ErrorClass::Resource, std::string("no pipe: ") + std::strerror(errno));
    pid_t pid = 0;
    try {
        pid = spawn(options, output[1]);
    } catch (...) {
        close(output[0]);
        close(output[1]);
        throw;
    }
    close(output[1]);
    ChildResult result;
    std::array<char, 4096> buffer;
    constexpr std::size_t limit = 64 * 1024;
    for (;;) {
        const auto n = read(output[0], buffer.data(), buffer.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        result.output.append(buffer.data(), static_cast<std::size_t>(n));
        if (result.output.size() > 2 * limit) result.output.erase(0, result.output.size() - limit);
    }
    close(output[0]);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return result;
}

bool is_alive(pid_t pid) {
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::string line;
    if (!std::getline(stat, line)) return false;
    const auto end = line.rfind(')');
    return end != std::string::npos && end + 2 < line.size() && line[end + 2] != 'Z';
}

bool wait_until_gone(pid_t pid, std::chrono::milliseconds limit) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    for (;;) {
        const pid_t reaped = waitpid(pid, nullptr, WNOHANG);
        if (reaped == pid || (reaped < 0 && !is_alive(pid))) return true; // < 0: no child of ours
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
}

} // namespace millrace
