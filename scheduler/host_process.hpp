/// One millrace-host: its process, its socket, its end. Lines in, lines out; what they mean is HostPool's matter.
///
/// The child has its own session, dies with this process (PR_SET_PDEATHSIG), inherits the socket as descriptor 3 and the
/// lock that tells a later daemon of its existence as descriptor 4, and nothing else.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace millrace {

struct HostCommand {
    std::vector<std::string> arguments;             ///< [0] is the program's path
    std::map<std::string, std::string> environment; ///< all of it
    int lock = -1;                                  ///< descriptor that becomes 4; -1: none
    std::string mark;                               ///< what attempt_mark of its commands begins with (flows/process_tree.hpp)
};

class HostProcess : public std::enable_shared_from_this<HostProcess> {
public:
    struct Events {
        std::function<void(const std::string&)> line;
        /// Once, last: the process is reaped and its socket read to the end. How it ended, as a phrase: "exit status 1".
        std::function<void(const std::string&)> ended;
    };

    /// Events come on the loop, never from inside a call. Throws Error{Resource} when no process can be made.
    [[nodiscard]] static std::shared_ptr<HostProcess> start(boost::asio::io_context& io, const HostCommand& command, Events events);
    /// Kills it with all it started and reaps the process, without events.
    ~HostProcess();

    void send(std::string line);
    /// To the whole process group; SIGKILL to its descendants as well, wherever they went.
    void signal(int number);
    /// No more events; the process is killed and reaped.
    void abandon();
    [[nodiscard]] int pid() const { return pid_; }
    /// By a signal: it will do nothing until somebody lets it go on.
    [[nodiscard]] bool is_stopped() const;

private:
    HostProcess(boost::asio::io_context& io, Events events);
    void read();
    void take_lines();
    void write();
    void watch();
    void drain();

    boost::asio::local::stream_protocol::socket socket_;
    boost::asio::posix::stream_descriptor exit_; ///< a pidfd: readable when the process has ended
    Events events_;
    std::string mark_; ///< of the commands of this host alone
    int pid_ = -1;
    bool reaped_ = false, writing_ = false;
    std::string buffer_, part_;
    std::deque<std::string> to_write_;
};

/// Whose the processes are that hold a lock: an earlier daemon's are worth a warning, our own end with us.
enum class Holders { OfEarlierDaemon, Own };

/// Ends every process that holds `lock_file` open but this one, and waits until it is free: hosts of a former self, and
/// what they started. Returns the descriptor, locked (shared), to be passed on. Throws Error{Resource} after `patience`.
[[nodiscard]] int take_host_lock(const std::string& lock_file, std::chrono::milliseconds patience,
                                 Holders holders = Holders::OfEarlierDaemon);

/// HostCommand::mark for the hosts that get this lock: the same for every daemon of one state folder.
[[nodiscard]] std::string mark_of(int host_lock);

} // namespace millrace
