#include "scheduler/attempt_runner.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace millrace {
namespace {

/// `ask(answer)` as an awaitable. The handler is move-only, std::function is not: hence the shared pointer.
template <class Reply, class Ask>
boost::asio::awaitable<Reply> awaited(Ask ask) {
    auto initiate = [ask = std::move(ask)](auto handler) mutable {
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        ask([shared](Reply reply) { std::move (*shared)(std::move(reply)); });
    };
    return boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void(Reply)>(std::move(initiate), boost::asio::use_awaitable);
}

} // namespace

boost::asio::awaitable<EvaluateReply> evaluate(AttemptRunner& hosts, EvaluateOrder order) {
    auto ask = [&hosts, order = std::move(order)](std::function<void(EvaluateReply)> answer) mutable {
        hosts.evaluate(std::move(order), std::move(answer));
    };
    return awaited<EvaluateReply>(std::move(ask));
}

boost::asio::awaitable<InferReply> infer(AttemptRunner& hosts, InferOrder order) {
    auto ask = [&hosts, order = std::move(order)](std::function<void(InferReply)> answer) mutable {
        hosts.infer(std::move(order), std::move(answer));
    };
    return awaited<InferReply>(std::move(ask));
}

} // namespace millrace
