#include "scheduler/store/server_down.hpp"

#include <cerrno>
#include <libpq-fe.h>
#include <memory>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace millrace {

std::optional<std::string> local_socket(const std::string& url) {
    const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(PQconninfoParse(url.c_str(), nullptr), PQconninfoFree);
    std::string host, port = "5432";
    for (const auto* o = options.get(); o != nullptr && o->keyword != nullptr; ++o) {
        if (o->val == nullptr) continue;
        if (o->keyword == std::string("host")) host = o->val;
        if (o->keyword == std::string("port")) port = o->val;
    }
    if (!host.starts_with('/') || host.find(',') != std::string::npos || port.find(',') != std::string::npos) return std::nullopt;
    return host + "/.s.PGSQL." + port;
}

bool nobody_listens(const std::string& socket_file) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket_file.size() >= sizeof address.sun_path) return false;
    socket_file.copy(address.sun_path, sizeof address.sun_path - 1);
    const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0) return false;
    const bool connected = ::connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    const int why = errno;
    ::close(probe);
    return !connected && (why == ECONNREFUSED || why == ENOENT);
}

} // namespace millrace
