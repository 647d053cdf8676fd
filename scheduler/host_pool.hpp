/// The hosts of this node: how many, which is free, what each works on, and what becomes of it when one dies. Knows the
/// protocol (flows/host_message.hpp), nothing of runs.
///
///     extract   one host, many attempts at once
///     sql       a warm pool, one order at a time: transform, load, and questions (evaluate, infer)
///     run       one host per attempt; one waits ready
#pragma once

#include "scheduler/attempt_runner.hpp"
#include "scheduler/clock.hpp"
#include "scheduler/host_process.hpp"

#include <list>
#include <set>

namespace millrace {

struct HostPoolConfig {
    std::string program;
    std::map<std::string, std::string> environment;
    int lock = -1; ///< of take_host_lock()
    int extract_attempts = 8;
    int sql_hosts = 2;
    int run_attempts = 8;
    int orders_per_host = 500;                      ///< then a sql host is replaced: leaks and fragmentation end with it
    std::chrono::milliseconds grace{10000};         ///< between the request to stop and the kill
    std::chrono::milliseconds command_grace{15000}; ///< the same for a run host, which needs 10 s of it to end its command in order
    bool warm = true;                               ///< start hosts before they are needed
    /// CLOCK_BOOTTIME at which attempts end by themselves, as far as the lease is proven now; empty: they do not.
    std::function<std::chrono::microseconds()> until{};
};

class HostPool final : public AttemptRunner {
public:
    HostPool(boost::asio::io_context& io, Clock& clock, HostPoolConfig config);
    ~HostPool() override;

    void listen(AttemptListener& listener) override { listener_ = &listener; }
    /// Who answers when hosts ask for permits; without one, each keeps rates by itself. Set once, before the first start.
    void share_credentials(CredentialDesk& desk) { desk_ = &desk; }
    void tell_pause(const CredentialPause& pause);
    [[nodiscard]] int free_places(const std::string& verb) const override;
    void start(AttemptOrder order) override;
    void cancel(OrderId id) override;
    void kill_all() override;
    OrderId evaluate(EvaluateOrder order, std::function<void(EvaluateReply)> answer) override;
    void infer(InferOrder order, std::function<void(InferReply)> answer) override;
    void drop(OrderId question) override;

    /// A host that somebody stopped (SIGSTOP) would keep its work for ever: one that is found stopped a few times in a row
    /// is killed, which is a crash like any other. To be called every few seconds.
    void end_stopped();
    /// Tells attempts until when the lease is proven. To be called every few seconds.
    void tell_lease();
    /// Ends all hosts at once, without reports; none is started any more.
    void close();
    /// [{kind, pid, orders, ready, served}]
    [[nodiscard]] Json describe() const;

private:
    enum class Kind { Extract, Sql, Run };
    struct Host {
        Kind kind;
        std::shared_ptr<HostProcess> process;
        std::set<OrderId> orders;
        int served = 0;
        int times_stopped = 0; ///< in a row, by end_stopped()
        bool ready = false, leaving = false;
        bool babbled = false; ///< it said what is no message: it is being killed, and not listened to any more
        std::string ended;    ///< how; empty: it lives
    };
    using HostAt = std::list<Host>::iterator;
    struct Question {
        std::string line;
        std::function<std::function<void()>(Json)> answer; ///< reads the reply, which may throw; then hands it over
        std::vector<Json> rows = {};                       ///< of the reply, those that came so far
        std::function<void(const OrderError&)> give_up;
        double timeout = EvaluateOrder{}.timeout; ///< seconds, from when a host has it
        int tries = 0;
        Clock::TimerId timer = 0; ///< of that time
    };

    [[nodiscard]] static Kind kind_of(const std::string& verb);
    HostAt spawn(Kind kind);
    HostAt idle_host(Kind kind);
    [[nodiscard]] int busy(Kind kind) const;
    void keep_warm();
    void ask(OrderId id, Question question);
    void ask_next();
    void time_out(OrderId question);
    Question settle(OrderId question);
    void kill_who_answers(OrderId question);
    void heard(HostAt host, const std::string& line);
    [[nodiscard]] std::function<void()> understand(HostAt host, Json message);
    [[nodiscard]] std::function<void()> understand_credential(HostAt host, const std::string& type, const Json& message);
    void ready(HostAt host);
    void finished(HostAt host, OrderId id);
    void host_ended(HostAt host, const std::string& how);
    void later(std::function<void()> action);
    void crash(OrderId id, const std::string& message);

    boost::asio::io_context& io_;
    Clock& clock_;
    const HostPoolConfig config_;
    AttemptListener* listener_ = nullptr;
    CredentialDesk* desk_ = nullptr;
    std::list<Host> hosts_;
    std::map<OrderId, HostAt> attempts_;
    std::set<OrderId> stopping_;
    std::map<OrderId, Question> questions_; ///< asked or waiting
    std::deque<OrderId> unasked_;
    OrderId last_question_ = 0; ///< questions have negative ids: attempts have the runner's
    int early_deaths_ = 0;      ///< hosts in a row that died before they were ready
    bool warming_ = false, closed_ = false;
    std::shared_ptr<int> alive_ = std::make_shared<int>(0); ///< for callbacks that may come after us
};

} // namespace millrace
