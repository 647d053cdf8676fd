/// The engine as the daemon wires it: store, journal, runner, schedules and hosts behind one door.
///
///     Engine engine(io, clock, config, connections, folders);
///     co_await engine.start();      // migrates, takes the lease, resumes live runs
///     ... engine.service(), engine.read_models() ...
///     co_await engine.stop();       // hosts end, running attempts are resumed by the next start
#pragma once

#include "scheduler/attempt_runner.hpp"
#include "scheduler/clock.hpp"
#include "scheduler/ports.hpp"
#include "scheduler/read_models.hpp"
#include "scheduler/service.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include <functional>
#include <map>
#include <memory>
#include <string>

namespace millrace {

struct EngineConfig {
    std::string database;                                ///< libpq URL of the store
    std::string state;                                   ///< folder; the engine locks `<state>/node.lock`
    std::string staging;                                 ///< folder of datasets and logs
    std::string project;                                 ///< in which commands run; empty: each in a folder of its own
    std::string node;                                    ///< name of this node; empty: host name and state folder
    std::string host_program;                            ///< millrace-host; empty: beside this executable
    std::map<std::string, std::string> host_environment; ///< added to PATH, HOME, LANG, TZ of ours
    std::map<std::string, int> limits;                   ///< slots by key
    int extract_attempts = 8;                            ///< at once, in the extract host
    int sql_hosts = 2;                                   ///< hosts for transform and load
    int run_attempts = 8;                                ///< commands at once
    int store_connections = 2;                           ///< for reading, beside the journal's own
};

class Engine {
public:
    /// `fatal` is called once, when the node must not go on: its lease was taken, or the store lost history. The process should
    /// end at once.
    Engine(boost::asio::io_context& io, Clock& clock, EngineConfig config, Connections& connections, FlowFolders& folders,
           std::function<void(std::string)> fatal);
    /// With attempts of the caller's own making, for tests and benchmarks.
    Engine(boost::asio::io_context& io, Clock& clock, EngineConfig config, Connections& connections, FlowFolders& folders,
           std::function<void(std::string)> fatal, std::unique_ptr<AttemptRunner> hosts);
    ~Engine();

    /// Throws Error: the store is unreachable, newer than this program, or another process holds the state folder.
    [[nodiscard]] boost::asio::awaitable<void> start();
    [[nodiscard]] boost::asio::awaitable<void> stop();

    /// After `fatal`: the store lost history, so that what this process remembers is worth nothing; the node is ours still, and a
    /// new process may go on at once.
    [[nodiscard]] bool has_lost_history() const;

    [[nodiscard]] Service& service();
    [[nodiscard]] ReadModels& read_models();
    /// For deploy's inference.
    [[nodiscard]] AttemptRunner& hosts();

private:
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

} // namespace millrace
