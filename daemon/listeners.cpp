#include "daemon/listeners.hpp"

#include <boost/asio/io_context.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <vector>

namespace fs = std::filesystem;
namespace ip = boost::asio::ip;

namespace millrace {
namespace {

/// Lines of a table in /proc/net, split at blanks.
std::vector<std::vector<std::string>> rows_of(const char* table) {
    std::ifstream in(table);
    std::vector<std::vector<std::string>> rows;
    for (std::string line; std::getline(in, line);) {
        std::istringstream words(line);
        rows.emplace_back(std::istream_iterator<std::string>(words), std::istream_iterator<std::string>());
    }
    return rows;
}

/// As /proc/net/tcp and tcp6 write it: each four bytes as a number of this machine.
template <class Bytes>
std::string in_hex(const Bytes& bytes) {
    std::string text;
    for (std::size_t at = 0; at < bytes.size(); at += sizeof(std::uint32_t)) {
        std::uint32_t word = 0;
        std::memcpy(&word, bytes.data() + at, sizeof word);
        text += fmt::format("{:08X}", word);
    }
    return text;
}

/// Inodes of sockets in a table that listen at the port, at this address or at all.
void find_listening(std::set<std::string>& inodes, const char* table, const std::string& address, unsigned short port) {
    constexpr std::size_t local = 1, state = 3, inode = 9;
    for (const auto& row : rows_of(table)) {
        if (row.size() <= inode || row[state] != "0A") continue;
        const auto colon = row[local].find(':');
        const auto where = row[local].substr(0, colon);
        const bool at_all = where.find_first_not_of('0') == std::string::npos;
        if ((at_all || where == address) && row[local].substr(colon + 1) == fmt::format("{:04X}", port)) inodes.insert(row[inode]);
    }
}

bool holds_any(const fs::path& process, const std::set<std::string>& inodes) {
    std::error_code failure;
    for (fs::directory_iterator each(process / "fd", failure), end; !failure && each != end; each.increment(failure)) {
        std::error_code is_gone;
        const auto target = fs::read_symlink(each->path(), is_gone).string();
        if (target.starts_with("socket:[") && inodes.contains(target.substr(8, target.size() - 9))) return true;
    }
    return false;
}

std::string holders_of(const std::set<std::string>& inodes) {
    std::string text;
    if (inodes.empty()) return text;
    std::error_code failure;
    for (fs::directory_iterator each("/proc", failure), end; !failure && each != end; each.increment(failure)) {
        const auto pid = each->path().filename().string();
        if (pid.find_first_not_of("0123456789") != std::string::npos || !holds_any(each->path(), inodes)) continue;
        std::string name;
        std::getline(std::ifstream(each->path() / "comm"), name);
        text += fmt::format("{}process {} ({})", text.empty() ? "" : ", ", pid, name);
    }
    return text;
}

} // namespace

bool is_taken(const ip::tcp::endpoint& endpoint) {
    boost::asio::io_context io;
    boost::system::error_code failure;
    ip::tcp::acceptor acceptor(io);
    acceptor.open(endpoint.protocol(), failure);
    acceptor.set_option(ip::tcp::acceptor::reuse_address(true), failure);
    if (failure) return false;
    acceptor.bind(endpoint, failure);
    return failure == boost::asio::error::address_in_use;
}

std::string listener_of(const ip::tcp::endpoint& endpoint) {
    std::set<std::string> inodes;
    const auto address = endpoint.address();
    if (address.is_v4()) find_listening(inodes, "/proc/net/tcp", in_hex(address.to_v4().to_bytes()), endpoint.port());
    find_listening(inodes, "/proc/net/tcp6", address.is_v6() ? in_hex(address.to_v6().to_bytes()) : "", endpoint.port());
    return holders_of(inodes);
}

std::string listener_of(const fs::path& unix_socket) {
    constexpr std::size_t flags = 3, inode = 6, path = 7;
    std::set<std::string> inodes;
    for (const auto& row : rows_of("/proc/net/unix"))
        if (row.size() > path && row[path] == unix_socket && row[flags] == "00010000") inodes.insert(row[inode]);
    return holders_of(inodes);
}

} // namespace millrace
