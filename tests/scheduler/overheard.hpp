/// What the daemon's log says while a test listens.
#pragma once

#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <sstream>
#include <string>

namespace millrace::test {

/// What the log says as long as it lives, from any thread.
class Overheard {
public:
    Overheard() : before_(spdlog::default_logger()) {
        spdlog::set_default_logger(std::make_shared<spdlog::logger>("", std::make_shared<spdlog::sinks::ostream_sink_mt>(said_)));
    }
    ~Overheard() { spdlog::set_default_logger(before_); }
    Overheard(const Overheard&) = delete;
    Overheard& operator=(const Overheard&) = delete;
    [[nodiscard]] std::string said() const { return said_.str(); }

private:
    std::ostringstream said_;
    std::shared_ptr<spdlog::logger> before_;
};

} // namespace millrace::test
