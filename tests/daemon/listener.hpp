/// A daemon's socket whose answers a test gives itself.
#pragma once

#include "tests/folder.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace millrace::test {

/// A Unix socket that listens. Connections wait in its queue until somebody takes them.
struct Listener {
    Listener() : path((folder.path / "s").string()), descriptor(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        REQUIRE(bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
        REQUIRE(listen(descriptor, 8) == 0);
    }
    ~Listener() { close(descriptor); }

    /// Takes a connection and its request.
    [[nodiscard]] std::pair<int, std::string> request() const {
        const int taken = accept4(descriptor, nullptr, nullptr, SOCK_CLOEXEC);
        std::string text(4096, '\0');
        text.resize(static_cast<std::size_t>(std::max<ssize_t>(0, read(taken, text.data(), text.size()))));
        return {taken, text};
    }

    test::Folder folder;
    std::string path;
    int descriptor;
};

inline void answer(int connection, const std::string& body, const std::string& status = "200 OK") {
    const auto text = "HTTP/1.1 " + status + "\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    std::ignore = write(connection, text.data(), text.size());
    close(connection);
}

} // namespace millrace::test
