#include "daemon/logging.hpp"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>

namespace millrace {

void set_up_logging(const std::string& level) {
    const bool plain = std::getenv("NO_COLOR") != nullptr;
    auto logger = spdlog::stderr_color_mt("millrace", plain ? spdlog::color_mode::never : spdlog::color_mode::automatic);
    logger->set_pattern(std::getenv("JOURNAL_STREAM") ? "%^%l%$ %v" : "%Y-%m-%dT%H:%M:%S.%eZ %^%l%$ %v", spdlog::pattern_time_type::utc);
    logger->set_level(spdlog::level::from_str(level == "warn" ? "warning" : level));
    logger->flush_on(spdlog::level::info);
    spdlog::set_default_logger(std::move(logger));
}

} // namespace millrace
