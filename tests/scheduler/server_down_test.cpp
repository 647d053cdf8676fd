#include "../folder.hpp"
#include "scheduler/store/server_down.hpp"

#include <catch2/catch.hpp>

#include <cstring>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

using namespace millrace;
using namespace millrace::test;

TEST_CASE("only a server that is reached without a network has a socket of which it can be known that nobody listens") {
    CHECK(local_socket("postgresql://m@/store?host=/run/pg&port=5433") == "/run/pg/.s.PGSQL.5433");
    CHECK(local_socket("host=/run/pg dbname=store") == "/run/pg/.s.PGSQL.5432");
    CHECK_FALSE(local_socket("postgresql://m@127.0.0.1:5432/store"));
    CHECK_FALSE(local_socket("postgresql://m@/store?host=/run/pg,/run/other"));
    CHECK_FALSE(local_socket("postgresql://"));
    CHECK_FALSE(local_socket("no url"));
}

TEST_CASE("nobody listens at a socket that is not there, or that its server left behind") {
    const Folder folder;
    const auto file = (folder.path / ".s.PGSQL.5432").string();
    CHECK(nobody_listens(file));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, file.c_str(), sizeof address.sun_path - 1);
    const int server = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(::bind(server, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(server, 1) == 0);
    CHECK_FALSE(nobody_listens(file));
    ::close(server);
    CHECK(nobody_listens(file));
}
