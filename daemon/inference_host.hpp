/// The compiler's questions about SQL, answered by a millrace-host of its own. Blocking; use it off the loop. The host
/// starts with the first question and ends with this object, so that a deploy needs no running engine.
#pragma once

#include "flows/compile.hpp"

#include <filesystem>
#include <string>
#include <sys/types.h>

namespace millrace {

class InferenceHost final : public InferencePort {
public:
    /// `program` is millrace-host.
    explicit InferenceHost(std::filesystem::path program) : program_(std::move(program)) {}
    ~InferenceHost() override;
    InferenceHost(const InferenceHost&) = delete;
    InferenceHost& operator=(const InferenceHost&) = delete;

    /// Throws Error{Crashed} when the host dies over the question, and Error{Timeout} after 30 seconds.
    [[nodiscard]] InferReply infer(const InferOrder& order) override;

private:
    void start();
    void end();
    [[nodiscard]] std::string next_line();

    std::filesystem::path program_;
    pid_t pid_ = 0;
    int socket_ = -1;
    std::string received_; ///< bytes after the last complete line
};

} // namespace millrace
