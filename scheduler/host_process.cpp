#include "scheduler/host_process.hpp"

#include "flows/close_on_exec.hpp"
#include "flows/error.hpp"
#include "flows/process_tree.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

#include <spdlog/spdlog.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace millrace {
namespace {

/// Between vfork and exec: nothing here may allocate, throw or touch what the parent uses.
[[noreturn]] void become_host(char* const* argv, char* const* envp, int socket, int lock, int parent) {
    setsid();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(126); // the parent died before the line above
    // Away from 3 and 4 first, so that neither dup2 closes the other's source.
    const int s = fcntl(socket, F_DUPFD_CLOEXEC, 10);
    const int l = lock >= 0 ? fcntl(lock, F_DUPFD_CLOEXEC, 10) : -1;
    const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (s < 0 || null < 0) _exit(126);
    dup2(null, 0);
    dup2(2, 1);
    dup2(s, 3);
    if (l >= 0)
        dup2(l, 4);
    else
        close(4);
    close_on_exec_from(5);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGCHLD}) ::signal(number, SIG_DFL);
    execve(argv[0], argv, envp);
    _exit(127);
}

[[gnu::noinline]] int spawn(char* const* argv, char* const* envp, int socket, int lock) {
    const int parent = getpid();
    const int child = vfork();
    if (child == 0) become_host(argv, envp, socket, lock, parent);
    return child;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> out;
    for (auto& t : texts) out.push_back(t.data());
    out.push_back(nullptr);
    return out;
}

std::string phrase(int status) {
    if (WIFSIGNALED(status)) return std::string("signal ") + strsignal(WTERMSIG(status));
    return "exit status " + std::to_string(WEXITSTATUS(status));
}

} // namespace

HostProcess::HostProcess(boost::asio::io_context& io, Events events)
    : socket_(io), exit_(io), events_(std::move(events)), part_(16 * 1024, '\0') {}

std::shared_ptr<HostProcess> HostProcess::start(boost::asio::io_context& io, const HostCommand& command, Events events) {
    std::shared_ptr<HostProcess> host(new HostProcess(io, std::move(events)));
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        throw Error(ErrorClass::Resource, std::string("cannot make a socket for a host: ") + std::strerror(errno),
                    "raise the limit of open files");
    auto arguments = command.arguments;
    std::vector<std::string> environment{std::string(host_mark) + "=" + command.mark};
    for (const auto& [name, value] : command.environment) environment.push_back(name + "=" + value);
    auto argv = pointers(arguments), envp = pointers(environment);
    host->pid_ = spawn(argv.data(), envp.data(), ends[1], command.lock);
    const int failed = errno;
    close(ends[1]);
    if (host->pid_ < 0) {
        close(ends[0]);
        host->reaped_ = true;
        throw Error(ErrorClass::Resource, std::string("cannot start a host process: ") + std::strerror(failed),
                    "raise the limit of processes or memory");
    }
    host->mark_ = command.mark + "." + std::to_string(host->pid_) + ".";
    host->socket_.assign(boost::asio::local::stream_protocol(), ends[0]);
    host->socket_.non_blocking(true);
    host->exit_.assign(static_cast<int>(syscall(SYS_pidfd_open, host->pid_, 0)));
    host->read();
    host->watch();
    return host;
}

HostProcess::~HostProcess() {
    if (reaped_ || pid_ < 0) return;
    signal(SIGKILL);
    waitpid(pid_, nullptr, 0);
}

void HostProcess::read() {
    socket_.async_read_some(boost::asio::buffer(part_), [self = shared_from_this()](boost::system::error_code ec, std::size_t n) {
        if (ec) return; // the end; watch() tells of it
        self->buffer_.append(self->part_, 0, n);
        self->take_lines();
        self->read();
    });
}

void HostProcess::take_lines() {
    std::size_t from = 0;
    for (auto end = buffer_.find('\n'); end != std::string::npos; end = buffer_.find('\n', from)) {
        if (events_.line) events_.line(buffer_.substr(from, end - from));
        from = end + 1;
    }
    buffer_.erase(0, from);
}

void HostProcess::send(std::string line) {
    if (reaped_) return;
    to_write_.push_back(std::move(line));
    if (!writing_) write();
}

void HostProcess::write() {
    writing_ = true;
    boost::asio::async_write(socket_, boost::asio::buffer(to_write_.front()),
                             [self = shared_from_this()](boost::system::error_code ec, std::size_t) {
                                 self->writing_ = false;
                                 if (ec) return; // a host that does not read is dead or dies; watch() tells of it
                                 self->to_write_.pop_front();
                                 if (!self->to_write_.empty()) self->write();
                             });
}

void HostProcess::signal(int number) {
    if (reaped_) return;
    if (number == SIGKILL) {
        ::kill(pid_, SIGSTOP); // it starts nothing more
        kill_descendants(pid_);
    }
    ::kill(-pid_, number);
    ::kill(pid_, number); // before its setsid there is no group
}

bool HostProcess::is_stopped() const {
    std::ifstream stat("/proc/" + std::to_string(pid_) + "/stat");
    std::string line;
    if (reaped_ || !std::getline(stat, line)) return false;
    const auto name_end = line.rfind(')'); // the name may hold anything
    return name_end != std::string::npos && name_end + 2 < line.size() && line[name_end + 2] == 'T';
}

void HostProcess::watch() {
    exit_.async_wait(boost::asio::posix::stream_descriptor::wait_read, [self = shared_from_this()](boost::system::error_code ec) {
        if (ec) return;
        int status = 0;
        if (waitpid(self->pid_, &status, WNOHANG) != self->pid_) return self->watch();
        self->reaped_ = true;
        ::kill(-self->pid_, SIGKILL); // what it started and left behind
        if (status != 0) kill_marked(self->mark_);
        self->drain();
        boost::system::error_code ignored;
        self->socket_.close(ignored);
        self->exit_.close(ignored);
        const auto events = std::exchange(self->events_, {});
        if (events.ended) events.ended(phrase(status));
    });
}

/// What it said before it ended.
void HostProcess::drain() {
    for (;;) {
        boost::system::error_code ec;
        const auto n = socket_.read_some(boost::asio::buffer(part_), ec);
        if (ec || n == 0) break;
        buffer_.append(part_, 0, n);
    }
    take_lines();
}

void HostProcess::abandon() {
    events_ = {};
    signal(SIGKILL);
}

int take_host_lock(const std::string& lock_file, std::chrono::milliseconds patience, Holders holders) {
    const int fd = open(lock_file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        throw Error(ErrorClass::Resource, "cannot open " + lock_file + ": " + std::strerror(errno), "check the rights of the state folder");
    const auto deadline = std::chrono::steady_clock::now() + patience;
    const auto wanted = std::filesystem::weakly_canonical(lock_file);
    const bool own = holders == Holders::Own;
    const auto level = own ? spdlog::level::debug : spdlog::level::warn;
    const auto* const whose = own ? " or what it left" : " of an earlier daemon";
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (std::chrono::steady_clock::now() > deadline) {
            close(fd);
            throw Error(ErrorClass::Resource, "hosts of an earlier daemon still hold " + lock_file,
                        "end the processes that `fuser " + lock_file + "` lists");
        }
        std::error_code ec;
        for (const auto& process : std::filesystem::directory_iterator("/proc", ec)) {
            const std::string name = process.path().filename();
            if (name.find_first_not_of("0123456789") != std::string::npos || name == std::to_string(getpid())) continue;
            for (std::filesystem::directory_iterator f(process.path() / "fd", ec), end; !ec && f != end; f.increment(ec))
                if (std::filesystem::read_symlink(f->path(), ec) == wanted) {
                    spdlog::log(level, "ending a host{}: pid={}", whose, name);
                    ::kill(std::stoi(name), SIGKILL);
                    break;
                }
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    flock(fd, LOCK_SH);
    return fd;
}

std::string mark_of(int host_lock) {
    struct stat about {};
    if (fstat(host_lock, &about) != 0) return "daemon-" + std::to_string(getpid());
    return std::to_string(about.st_dev) + "-" + std::to_string(about.st_ino);
}

} // namespace millrace
