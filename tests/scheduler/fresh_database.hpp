/// A database of the test's own, dropped at its end.
#pragma once

#include "../skip.hpp"

#include <fmt/format.h>
#include <pqxx/pqxx>

#include <algorithm>
#include <filesystem>
#include <random>
#include <string>

#include <unistd.h>

namespace millrace::test {

/// The folder that the nodes of a store share; gone with its FreshDatabase.
[[nodiscard]] inline std::filesystem::path staging_of(const std::string& url) {
    const auto end = std::min(url.find('?'), url.size()), name = url.rfind('/', end - 1) + 1;
    return std::filesystem::temp_directory_path() / fmt::format("millrace-staging-{}-{}", url.substr(name, end - name), getpid());
}

class FreshDatabase {
public:
    FreshDatabase()
        : server_(require_database()), name_("test_" + std::to_string(std::random_device{}()) + std::to_string(std::random_device{}())) {
        pqxx::connection connection(server_);
        pqxx::nontransaction(connection).exec("create database " + name_);
        const auto slash = server_.find('/', server_.find("//") + 2), query = server_.find('?');
        url_ = server_.substr(0, slash + 1) + name_ + (query == std::string::npos ? "" : server_.substr(query));
    }
    ~FreshDatabase() {
        try {
            pqxx::connection connection(server_);
            pqxx::nontransaction(connection).exec("drop database " + name_ + " with (force)");
        } catch (const std::exception&) { // the server is gone, and the database with it
        }
        std::filesystem::remove_all(staging());
    }
    /// The folder that its nodes share.
    [[nodiscard]] std::filesystem::path staging() const { return staging_of(url_); }
    FreshDatabase(const FreshDatabase&) = delete;
    FreshDatabase& operator=(const FreshDatabase&) = delete;
    [[nodiscard]] const std::string& url() const { return url_; }

private:
    std::string server_, name_, url_;
};

/// The one value of a query.
[[nodiscard]] inline std::string asked(const std::string& url, const std::string& sql) {
    pqxx::connection connection(url);
    pqxx::nontransaction look(connection);
    return look.exec1(sql)[0].c_str();
}

inline void told(const std::string& url, const std::string& sql) {
    pqxx::connection connection(url);
    pqxx::nontransaction(connection).exec(sql);
}

} // namespace millrace::test
