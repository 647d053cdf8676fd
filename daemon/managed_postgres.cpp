#include "daemon/managed_postgres.hpp"

#include "daemon/child_process.hpp"
#include "flows/error.hpp"
#include "flows/hash.hpp"
#include "flows/process_tree.hpp"

#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <memory>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace fs = std::filesystem;

namespace millrace {
namespace {

constexpr const char* role = "millrace";
constexpr const char* remedy_of_folder = "check the state folder's rights and free space, or choose another in `state:` of millrace.yaml";
constexpr std::size_t longest_socket_folder = 90; ///< sun_path holds 107 bytes, PostgreSQL adds "/.s.PGSQL.5432"

/// Then it is an immediate one, which costs a recovery at the next start. Both are over before the unit's TimeoutStopSec.
constexpr auto longest_shutdown = std::chrono::seconds(40);

/// Where Debian, Red Hat's repository and PATH keep PostgreSQL's programs of one major version.
std::optional<fs::path> programs_of(const std::string& major) {
    for (const auto& path : {"/usr/lib/postgresql/" + major + "/bin", "/usr/pgsql-" + major + "/bin"})
        if (fs::exists(path + "/postgres")) return fs::path(path);
    return {};
}

/// The newest one that is installed.
std::optional<fs::path> newest_programs() {
    for (int major = 18; major >= 12; --major)
        if (auto path = programs_of(std::to_string(major))) return path;
    return {};
}

std::string first_line(const fs::path& file) {
    std::ifstream in(file);
    std::string line;
    std::getline(in, line);
    return line;
}

fs::path socket_folder(const fs::path& folder) {
    const auto inside = folder / "socket";
    if (inside.string().size() <= longest_socket_folder) return inside;
    return fs::path("/tmp") / ("millrace-" + sha256_hex(folder.string()).substr(0, 16));
}

/// Makes the folder ours alone. Refuses one that another user put there.
void private_folder(const fs::path& path, std::optional<uid_t> uid, std::optional<gid_t> gid) {
    fs::create_directories(path);
    struct stat facts {};
    const uid_t owner = uid.value_or(geteuid());
    if (lstat(path.c_str(), &facts) != 0 || !S_ISDIR(facts.st_mode) || (facts.st_uid != owner && facts.st_uid != geteuid()))
        throw Error(ErrorClass::Permanent, path.string() + " is not a folder of ours", "remove it, or choose another state folder");
    if (uid && chown(path.c_str(), *uid, gid.value_or(static_cast<gid_t>(-1))) != 0)
        throw Error(ErrorClass::Permanent, path.string() + " cannot be given to its user: " + std::strerror(errno), remedy_of_folder);
    fs::permissions(path, fs::perms::owner_all);
}

/// A value inside a libpq URL's query.
std::string percent_encoded(const std::string& text) {
    static constexpr char digits[] = "0123456789ABCDEF";
    std::string out;
    for (const unsigned char c : text) {
        if (std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == '~') {
            out += static_cast<char>(c);
        } else {
            out += '%';
            out += digits[c >> 4];
            out += digits[c & 15];
        }
    }
    return out;
}

std::string quoted_setting(const std::string& text) {
    std::string out = "'";
    for (const char c : text) out += c == '\'' ? std::string("''") : c == '\\' ? std::string("\\\\") : std::string(1, c);
    return out + "'";
}

using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;
using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;

} // namespace

ManagedPostgres::ManagedPostgres(fs::path state, std::function<void(const std::string&)> report)
    : folder_(fs::absolute(state) / "pg"), data_(folder_ / "data"), report_(std::move(report)) {
    if (geteuid() != 0) return;
    for (const char* name : {role, "postgres"})
        if (const passwd* user = getpwnam(name)) {
            uid_ = user->pw_uid;
            gid_ = user->pw_gid;
            return;
        }
    throw Error(ErrorClass::Permanent, "PostgreSQL does not run as root, and there is no user `millrace` to run it as",
                "make one (adduser --system --group millrace) or start Millrace as an ordinary user");
}

ManagedPostgres::~ManagedPostgres() {
    stopping_ = true;
    if (watcher_.joinable()) watcher_.join();
}

void ManagedPostgres::start() {
    if (uid_) { // another user's server has to get through our folder, without seeing what is in it
        fs::create_directories(folder_.parent_path());
        fs::permissions(folder_.parent_path(), fs::perms::owner_all | fs::perms::group_exec | fs::perms::others_exec);
    }
    if (fs::exists(data_ / "PG_VERSION")) {
        const auto major = first_line(data_ / "PG_VERSION");
        const auto found = programs_of(major);
        if (!found)
            throw Error(ErrorClass::Permanent,
                        "the private database in " + folder_.string() + " is of PostgreSQL " + major + ", whose programs are not installed",
                        "apt-get install postgresql-" + major);
        programs_ = *found;
    } else {
        const auto found = newest_programs();
        if (!found)
            throw Error(ErrorClass::Permanent, "PostgreSQL 12 or later is not installed here",
                        "apt-get install postgresql-15, or name a server of your own in MILLRACE_DATABASE");
        programs_ = *found;
        make_cluster();
    }
    private_folder(socket_folder(folder_), uid_, gid_);
    if (const auto pid = running_server()) {
        server_ = *pid;
        adopted_ = true;
        report_("postgres=adopted pid=" + std::to_string(*pid));
    } else {
        launch();
    }
    wait_until_ready();
    make_databases();
    watcher_ = std::thread([this] { watch(); });
}

/// initdb into a folder beside, then a rename: a cluster is there whole or not at all.
void ManagedPostgres::make_cluster() {
    fs::create_directories(folder_);
    private_folder(folder_, uid_, gid_);
    const auto made = folder_ / "data.new";
    fs::remove_all(made);
    ChildOptions initdb;
    initdb.argv = {(programs_ / "initdb").string(),
                   "-D",
                   made.string(),
                   "-U",
                   role,
                   "--encoding=UTF8",
                   "--lc-collate=C",
                   "--lc-ctype=C.UTF-8",
                   "--auth-local=peer",
                   "--auth-host=reject"};
    initdb.environment = {{"LC_ALL", "C.UTF-8"}};
    initdb.uid = uid_;
    initdb.gid = gid_;
    const auto result = run_child(initdb);
    if (result.exit_code != 0)
        throw Error(ErrorClass::Resource, "the private database cannot be made in " + folder_.string() + ":\n" + result.output,
                    remedy_of_folder);
    std::ofstream(made / "postgresql.conf", std::ios::app) << "\ninclude '../millrace.conf'\ninclude_if_exists '../user.conf'\n";
    std::ofstream(made / "pg_hba.conf", std::ios::trunc) << "local all all peer map=millrace\n";
    fs::rename(made, data_);
    report_("postgres=made folder=" + folder_.string());
}

void ManagedPostgres::write_settings() const {
    const passwd* user = getpwuid(uid_.value_or(geteuid()));
    const std::string owner = user ? user->pw_name : std::to_string(geteuid());
    const auto write = [&](const fs::path& file, const std::string& text) {
        std::ofstream out(file, std::ios::trunc);
        out << text;
        out.close();
        if (!out) throw Error(ErrorClass::Resource, file.string() + " cannot be written: " + std::strerror(errno), remedy_of_folder);
        if (uid_ && chown(file.c_str(), *uid_, *gid_) != 0)
            throw Error(ErrorClass::Permanent, file.string() + " cannot be given to its user: " + std::strerror(errno), remedy_of_folder);
    };
    write(data_ / "pg_ident.conf", std::string("millrace \"") + owner + "\" " + role + "\nmillrace root " + role + "\n");
    write(folder_ / "millrace.conf",
          "# Written by Millrace at each start. Put your own settings into user.conf beside it.\n"
          "listen_addresses = ''\n"
          "unix_socket_directories = " +
              quoted_setting(socket_folder(folder_).string()) +
              "\n"
              "unix_socket_permissions = 0700\n"
              "max_connections = 60\n"
              "shared_buffers = 256MB\n"
              "max_wal_size = 4GB\n"
              "checkpoint_timeout = 15min\n"
              "jit = off\n"
              // after a crash one sync of the file system, not one of each of a thousand files
              + std::string(std::stoi(first_line(data_ / "PG_VERSION")) >= 14 ? "recovery_init_sync_method = syncfs\n" : "") +
              "timezone = 'UTC'\n"
              "log_timezone = 'UTC'\n"
              "logging_collector = on\n"
              "log_directory = '../log'\n"
              "log_filename = 'postgresql-%a.log'\n"
              "log_rotation_age = 1d\n"
              "log_rotation_size = 0\n"
              "log_truncate_on_rotation = on\n");
}

/// The postmaster that owns the data folder, if it lives. A pid file whose number now belongs to another program (after
/// a restart of the machine) or to a zombie is removed, since PostgreSQL would refuse to start beside it. One of a process that
/// is gone stays: by it PostgreSQL knows whether others of that server still live.
std::optional<pid_t> ManagedPostgres::running_server() const {
    const auto file = data_ / "postmaster.pid";
    if (!fs::exists(file)) return {};
    const auto pid = static_cast<pid_t>(std::strtol(first_line(file).c_str(), nullptr, 10));
    if (pid > 0 && kill(pid, 0) != 0 && errno == ESRCH) return {};
    if (pid > 0 && is_alive(pid) && first_line("/proc/" + std::to_string(pid) + "/comm") == "postgres") {
        std::error_code ignored;
        const auto where = fs::read_symlink("/proc/" + std::to_string(pid) + "/cwd", ignored);
        if (ignored || where == fs::canonical(data_)) return pid;
    }
    fs::remove(file);
    fs::remove(socket_folder(folder_) / ".s.PGSQL.5432.lock"); // names the same process
    return {};
}

void ManagedPostgres::launch() {
    write_settings();
    ChildOptions postgres;
    postgres.argv = {(programs_ / "postgres").string(), "-D", data_.string()};
    postgres.environment = {{"LC_ALL", "C.UTF-8"}};
    postgres.output = (folder_ / "start.log").string();
    postgres.uid = uid_;
    postgres.gid = gid_;
    std::error_code ignored;
    fs::remove(postgres.output, ignored);
    server_ = start_child(postgres);
    report_("postgres=started pid=" + std::to_string(server_));
}

void ManagedPostgres::wait_until_ready() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(5);  // crash recovery may take its time
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(30); // with processes of a server that was killed
    while (PQping(url("postgres").c_str()) != PQPING_OK) {
        if (wait_until_gone(server_, std::chrono::milliseconds(0))) {
            if (std::exchange(adopted_, false)) { // it was on its way down when we found it
                launch();
                continue;
            }
            std::ifstream in(folder_ / "start.log");
            const std::string why{std::istreambuf_iterator<char>(in), {}};
            if (why.find("pre-existing shared memory block") != std::string::npos && std::chrono::steady_clock::now() < patience) {
                std::this_thread::sleep_for(std::chrono::milliseconds(100));
                launch();
                continue;
            }
            throw Error(ErrorClass::Resource, "the private PostgreSQL ended at once:\n" + why,
                        "its log is in " + (folder_ / "log").string());
        }
        if (std::chrono::steady_clock::now() > deadline)
            throw Error(ErrorClass::Timeout, "the private PostgreSQL does not answer after 5 minutes",
                        "its log is in " + (folder_ / "log").string());
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
}

void ManagedPostgres::make_databases() const {
    const Connection connection(PQconnectdb(url("postgres").c_str()), &PQfinish);
    if (PQstatus(connection.get()) != CONNECTION_OK)
        throw Error(ErrorClass::Transient, std::string("the private PostgreSQL refuses us: ") + PQerrorMessage(connection.get()),
                    "its log is in " + (folder_ / "log").string());
    for (const std::string name : {"millrace", "warehouse"}) {
        const Result there(PQexec(connection.get(), ("select 1 from pg_database where datname = '" + name + "'").c_str()), &PQclear);
        if (PQntuples(there.get()) > 0) continue;
        const Result made(PQexec(connection.get(), ("create database " + name).c_str()), &PQclear);
        if (PQresultStatus(made.get()) != PGRES_COMMAND_OK)
            throw Error(ErrorClass::Resource, "database " + name + " cannot be made: " + PQresultErrorMessage(made.get()),
                        "its log is in " + (folder_ / "log").string());
    }
}

void ManagedPostgres::watch() {
    while (!stopping_) {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        if (stopping_ || !wait_until_gone(server_, std::chrono::milliseconds(0))) continue;
        report_("postgres=died pid=" + std::to_string(server_) + " action=restart");
        try {
            (void)running_server(); // a zombie's pid file goes
            launch();               // fails until the last process of the former server has ended, then the next round tries again
        } catch (const std::exception& e) {
            report_(std::string("postgres=not_started reason=") + e.what());
        }
    }
}

void ManagedPostgres::stop() {
    stopping_ = true;
    if (watcher_.joinable()) watcher_.join();
    const pid_t pid = server_;
    if (pid <= 0) return;
    kill(pid, SIGINT); // fast shutdown (postgres(1))
    auto all = descendants(pid);
    all.push_back(pid);
    for (const pid_t one : all) kill(one, SIGCONT); // somebody may have stopped it
    if (!wait_until_gone(pid, longest_shutdown)) {
        report_("postgres=does_not_stop action=immediate_shutdown");
        kill(pid, SIGQUIT);
        wait_until_gone(pid, std::chrono::seconds(10));
    }
    server_ = 0;
}

std::string ManagedPostgres::url(const std::string& database) const {
    return "postgresql://" + std::string(role) + "@/" + database + "?host=" + percent_encoded(socket_folder(folder_).string());
}

bool ManagedPostgres::is_out_of_reach(const fs::path& state) {
    const auto socket = socket_folder(fs::absolute(state) / "pg") / ".s.PGSQL.5432";
    return access(socket.c_str(), R_OK | W_OK) != 0 && errno == EACCES;
}

std::string ManagedPostgres::url_of(const fs::path& state, const std::string& database) {
    return "postgresql://" + std::string(role) + "@/" + database +
           "?host=" + percent_encoded(socket_folder(fs::absolute(state) / "pg").string());
}

} // namespace millrace
