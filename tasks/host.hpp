/// The host's side of flows/host_message.hpp: reads orders from the daemon, runs each on a thread of its own, answers.
///
/// The daemon decides how many attempts run at once; a host of kind `sql` runs one at a time whatever it is sent. When the
/// daemon's end closes, the process ends at once: nobody is left to hear an answer, and its attempts belong to nobody.
#pragma once

#include "connectors/http/governor.hpp"
#include "flows/host_message.hpp"
#include "tasks/cancellation.hpp"
#include "tasks/warm_database.hpp"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace millrace {

/// What kind of orders this process is meant for. Any host can do any order; the kind says how warm it starts.
enum class HostKind { Extract, Sql, Run };

class Host : private PermitDesk {
public:
    /// `channel`: a connected stream socket.
    Host(int channel, HostKind kind) : channel_(channel), kind_(kind), governors_(this) {}

    /// Until the daemon closes the channel (does not return: the process ends), says `exit`, or the process gets SIGTERM;
    /// in the last two cases running attempts finish, after SIGTERM as cancelled.
    void run();

private:
    struct Running;

    void receive(const std::string& line);
    void start_attempt(const Json& message);
    void attempt(const AttemptOrder& order, Running& running);
    void start_evaluate(const Json& message);
    void send_rows(EvaluateReply reply);
    void start_infer(const Json& message);
    void refuse(const Json& message, const std::string& why);
    void cancel(OrderId id);
    void cancel_all();
    void spawn(std::function<void()> work);
    void work_off();
    void prepare(std::unique_lock<std::mutex>& lock);
    void send(const std::string& line);
    void ask(const PermitRequest& request) override;
    void tell(const CredentialPause& pause) override;
    void tell(const CredentialQuota& quota) override;
    [[noreturn]] void end_without_daemon(int status);
    [[nodiscard]] int milliseconds_left();
    void wait_for_orders(int terminate);
    void warm_up();

    const int channel_;
    const HostKind kind_;
    std::int64_t until_ = 0;            ///< of HostLease
    std::atomic<bool> is_over_ = false; ///< nothing is said any more
    WarmDatabase database_;
    Governors governors_;

    std::mutex sending_;
    std::mutex one_at_a_time_; ///< held by the attempt of a host of kind Sql

    std::mutex mutex_; ///< guards what follows
    std::condition_variable idle_;
    std::map<OrderId, std::shared_ptr<Running>> running_;
    int orders_ = 0;                            ///< waiting or under way
    std::deque<std::function<void()>> waiting_; ///< for a thread
    std::size_t idle_threads_ = 0;
    bool closing_ = false; ///< no order comes any more
    std::condition_variable work_came_;
};

} // namespace millrace
