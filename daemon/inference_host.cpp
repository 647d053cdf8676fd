#include "daemon/inference_host.hpp"

namespace millrace {
namespace {
constexpr std::chrono::seconds patience(30);
}

InferReply InferenceHost::infer(const InferOrder& order) {
    host_.send(to_line("infer", order));
    for (;;) {
        auto reply = host_.next("inferred", patience).get<InferReply>();
        if (reply.id == order.id) return reply;
    }
}

} // namespace millrace
