/// The port behind which attempts happen. In production a HostPool (host_pool.hpp), in tests a fake.
#pragma once

#include "flows/host_message.hpp"

#include <boost/asio/awaitable.hpp>

#include <functional>

namespace millrace {

/// What the engine hears about attempts. Called on the loop's thread, never from inside a call to AttemptRunner.
class AttemptListener {
public:
    virtual ~AttemptListener() = default;
    virtual void attempt_progress(const AttemptProgress& progress) = 0;
    virtual void attempt_event(const AttemptEvent& event) = 0;
    /// Once for every started attempt, last: its process works on it no more. A host that died gives outcome "failed" with
    /// class `crashed`, one that was killed for a cancel "cancelled".
    virtual void attempt_done(AttemptDone done) = 0;
};

/// What hosts ask of whoever shares credentials among them. Called on the loop's thread; answers come on the loop, never from
/// inside a call.
class CredentialDesk {
public:
    virtual ~CredentialDesk() = default;
    virtual void permits(PermitRequest request, std::function<void(PermitGrant)> answer) = 0;
    virtual void pause(CredentialPause pause) = 0;
    virtual void quota(CredentialQuota quota) = 0;
};

class AttemptRunner {
public:
    virtual ~AttemptRunner() = default;

    /// Where reports go. Set once, before the first start.
    virtual void listen(AttemptListener& listener) = 0;
    /// How many attempts of this verb may begin now. The engine never starts more.
    [[nodiscard]] virtual int free_places(const std::string& verb) const = 0;
    /// Begins the attempt. Never fails here: whatever goes wrong arrives as attempt_done.
    virtual void start(AttemptOrder order) = 0;
    /// Asks the attempt to stop (TERM), and kills it after the grace period. Unknown ids are ignored.
    virtual void cancel(OrderId id) = 0;
    /// Kills everything under way at once: the node's lease ends. attempt_done follows for each.
    virtual void kill_all() = 0;

    /// A query over datasets, in a host: the id of the question. `answer` is called once, on the loop; errors are inside the reply, also
    /// that its `timeout` is over.
    virtual OrderId evaluate(EvaluateOrder order, std::function<void(EvaluateReply)> answer) = 0;
    virtual void infer(InferOrder order, std::function<void(InferReply)> answer) = 0;
    /// Nobody waits for this answer any more: it does not come, and the host that looks for it is killed. Unknown ids are ignored.
    virtual void drop(OrderId question) = 0;
};

/// The same for coroutines. `order.id` is chosen by the callee.
[[nodiscard]] boost::asio::awaitable<EvaluateReply> evaluate(AttemptRunner& hosts, EvaluateOrder order);
[[nodiscard]] boost::asio::awaitable<InferReply> infer(AttemptRunner& hosts, InferOrder order);

} // namespace millrace
