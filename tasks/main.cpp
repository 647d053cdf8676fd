/// millrace-host: does the work of one attempt after another for the daemon, which starts it with a socket as descriptor 3.
#include "flows/version.hpp"
#include "tasks/host.hpp"

#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

namespace {

constexpr int channel = 3;

int usage() {
    std::fprintf(stderr,
                 "millrace-host %s\nusage: millrace-host [--kind extract|sql|run]\n"
                 "It is started by millrace, with a connected socket as descriptor %d.\n",
                 millrace::version, channel);
    return 2;
}

bool is_socket(int fd) {
    struct stat about {};
    return ::fstat(fd, &about) == 0 && S_ISSOCK(about.st_mode);
}

} // namespace

int main(int argc, char** argv) {
    millrace::HostKind kind = millrace::HostKind::Sql;
    for (int i = 1; i < argc; ++i) {
        const std::string arg = argv[i];
        if (arg == "--version") return std::printf("millrace-host %s\n", millrace::version) < 0 ? 1 : 0;
        const std::string value = arg == "--kind" && i + 1 < argc ? argv[++i] : arg.starts_with("--kind=") ? arg.substr(7) : "";
        if (value == "extract")
            kind = millrace::HostKind::Extract;
        else if (value == "sql")
            kind = millrace::HostKind::Sql;
        else if (value == "run")
            kind = millrace::HostKind::Run;
        else
            return usage();
    }
    if (!is_socket(channel)) return usage();
    ::fcntl(channel, F_SETFD, FD_CLOEXEC);
    ::umask(0077);
    ::signal(SIGPIPE, SIG_IGN);
    const std::string name = "millrace-host";
    ::prctl(PR_SET_NAME, name.c_str());
    millrace::Host(channel, kind).run();
    return 0;
}
