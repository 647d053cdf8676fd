/// The private PostgreSQL cluster in `<state>/pg` (section 9 of the design): made at the first start, adopted by its
/// postmaster.pid when a former daemon was killed, started again when it dies. It listens on a Unix socket only, which only
/// its own user and root may open (peer authentication, role `millrace`).
///
/// Databases: `millrace` (the store) and `warehouse` (the default target). Settings of ours are in `<state>/pg/millrace.conf`,
/// written anew at each start; `<state>/pg/user.conf` is read after it and never touched.
///
/// Not here: dumps and the upgrade to another major version. A cluster of a version whose programs are gone is an error.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <sys/types.h>
#include <thread>

namespace millrace {

class ManagedPostgres {
public:
    /// `report` is called for facts worth a log line, from any thread.
    ManagedPostgres(std::filesystem::path state, std::function<void(const std::string&)> report);
    /// Leaves the server running; only stop() ends it.
    ~ManagedPostgres();

    /// Until the server answers and both databases exist. Blocking, about 0.2 s for an existing cluster, 3 s for a new one.
    /// Throws Error with a remedy: no PostgreSQL installed, a cluster of another version, no rights, disk full.
    void start();
    /// Fast shutdown, waits for the end.
    void stop();

    /// libpq URL of a database of the cluster.
    [[nodiscard]] std::string url(const std::string& database) const;
    /// Of an existing cluster without starting it, for `millrace psql` beside a running daemon.
    [[nodiscard]] static std::string url_of(const std::filesystem::path& state, const std::string& database);
    /// Whether there is a server's socket, or a folder of one, that this user may not open.
    [[nodiscard]] static bool is_out_of_reach(const std::filesystem::path& state);

private:
    void make_cluster();
    void write_settings() const;
    void launch();
    void wait_until_ready();
    void make_databases() const;
    void watch();
    [[nodiscard]] std::optional<pid_t> running_server() const;

    std::filesystem::path folder_;   ///< <state>/pg
    std::filesystem::path data_;     ///< <state>/pg/data
    std::filesystem::path programs_; ///< /usr/lib/postgresql/15/bin
    std::function<void(const std::string&)> report_;
    std::optional<uid_t> uid_; ///< whom the server runs as, when we are root
    std::optional<gid_t> gid_;
    std::atomic<pid_t> server_ = 0;
    bool adopted_ = false; ///< the server is not of our own making
    std::atomic<bool> stopping_ = false;
    std::thread watcher_; ///< starts the server again when it has died
};

} // namespace millrace
