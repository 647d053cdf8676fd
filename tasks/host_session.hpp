/// An attempt inside its host: what its verb sees of the world, and what the daemon hears of it.
#pragma once

#include "connectors/http/governor.hpp"
#include "flows/host_message.hpp"
#include "tasks/attempt_log.hpp"
#include "tasks/cancellation.hpp"
#include "tasks/verb.hpp"
#include "tasks/warm_database.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace millrace {

/// Log, totals and events go out as they come, by `send`. The database is opened when it is first asked for, and sees the
/// folders of the attempt's run and inputs only.
class HostSession : public AttemptSession {
public:
    HostSession(const AttemptOrder& order, Cancellation& cancellation, WarmDatabase& warm, Governors& governors,
                std::function<void(const std::string&)> send)
        : order_(order), cancellation_(cancellation), warm_(warm), governors_(governors), send_(std::move(send)), log_(order.log) {}

    void log(std::string_view level, std::string_view text) override { log_.write(level, text); }
    void log(std::string_view level, const std::vector<std::string_view>& lines) override { log_.write(level, lines); }
    void progress(const AttemptProgress& totals) override;
    void event(std::string_view kind, std::string_view message, const Json& details) override;
    [[nodiscard]] bool cancelled() const override { return cancellation_.cancelled(); }
    [[nodiscard]] std::shared_ptr<void> on_cancel(std::function<void()> action) override {
        return cancellation_.on_cancel(std::move(action));
    }
    [[nodiscard]] duckdb::Database& database() override;
    [[nodiscard]] Governors& governors() override { return governors_; }

    AttemptLog& log_file() { return log_; }

private:
    const AttemptOrder& order_;
    Cancellation& cancellation_;
    WarmDatabase& warm_;
    Governors& governors_;
    std::function<void(const std::string&)> send_;
    AttemptLog log_;
    std::mutex mutex_; ///< guards what follows
    std::chrono::steady_clock::time_point last_progress_{};
    std::string last_step_;
    std::shared_ptr<duckdb::Database> database_;
};

/// Never throws: what goes wrong is the attempt's outcome.
[[nodiscard]] AttemptDone run_verb(const AttemptOrder& order, AttemptSession& session);

} // namespace millrace
