/// Who listens on this machine, as far as /proc shows it to us: all of our own processes, and others' to root.
#pragma once

#include <boost/asio/ip/tcp.hpp>

#include <filesystem>
#include <string>

namespace millrace {

[[nodiscard]] bool is_taken(const boost::asio::ip::tcp::endpoint& endpoint);

/// "process 4711 (postgres)", several with commas; empty: nobody, or it cannot be seen.
[[nodiscard]] std::string listener_of(const boost::asio::ip::tcp::endpoint& endpoint);
[[nodiscard]] std::string listener_of(const std::filesystem::path& unix_socket);

} // namespace millrace
