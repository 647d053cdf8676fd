/// Hosts that work, fail, hang and die by the seed. They check that what they are told to do may be done.
#pragma once

#include "scheduler/attempt_runner.hpp"

#include <map>
#include <set>

namespace millrace::test {

class Process;

class FakeHosts final : public AttemptRunner {
public:
    explicit FakeHosts(Process& process) : process_(process) {}
    void listen(AttemptListener& listener) override { listener_ = &listener; }
    [[nodiscard]] int free_places(const std::string&) const override { return 4 - static_cast<int>(running_.size()); }
    void start(AttemptOrder order) override;
    void cancel(OrderId id) override;
    void kill_all() override;
    OrderId evaluate(EvaluateOrder order, std::function<void(EvaluateReply)> answer) override;
    void infer(InferOrder, std::function<void(InferReply)>) override {}
    void drop(OrderId question) override { questions_.erase(question); }

private:
    void report(OrderId id, const std::string& outcome, const std::string& error_class, const std::string& message);

    Process& process_;
    AttemptListener* listener_ = nullptr;
    std::map<OrderId, std::uint64_t> running_; ///< the world's number of the host
    OrderId last_question_ = 0;
    std::set<OrderId> questions_; ///< without an answer yet
};

} // namespace millrace::test
