/// The compiler's questions about SQL, answered by a millrace-host of its own, so that a deploy needs no running engine.
/// Blocking; use it off the loop.
#pragma once

#include "daemon/host_conversation.hpp"
#include "flows/compile.hpp"

#include <filesystem>

namespace millrace {

class InferenceHost final : public InferencePort {
public:
    /// `program` is millrace-host.
    explicit InferenceHost(std::filesystem::path program) : host_(std::move(program), "sql") {}

    /// Ahead of the first question. Throws Error{Resource}.
    void start() { host_.start(); }
    /// Throws Error{Crashed} when the host dies over the question, and Error{Timeout} after 30 seconds.
    [[nodiscard]] InferReply infer(const InferOrder& order) override;

private:
    HostConversation host_;
};

} // namespace millrace
