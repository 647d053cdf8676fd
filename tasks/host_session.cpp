#include "tasks/host_session.hpp"

#include "tasks/evaluate.hpp"
#include "tasks/rejects.hpp"

#include <filesystem>
#include <fmt/format.h>

namespace millrace {
namespace {
constexpr auto between_progress = std::chrono::milliseconds(100);
} // namespace

void HostSession::progress(const AttemptProgress& totals) {
    const std::scoped_lock lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    const bool new_step = totals.step != last_step_;
    if (!new_step && now - last_progress_ < between_progress) return;
    last_progress_ = now;
    last_step_ = totals.step;
    AttemptProgress message = totals;
    message.id = order_.id;
    send_(to_line("progress", message));
}

void HostSession::event(std::string_view kind, std::string_view message, const Json& details) {
    log_.write("warning", message);
    send_(to_line("event", AttemptEvent{order_.id, std::string(kind), std::string(message), details}));
}

duckdb::Database& HostSession::database() {
    const std::scoped_lock lock(mutex_);
    if (!database_) {
        DatabaseNeeds needs;
        needs.folders.push_back(order_.log.empty() ? order_.staging : run_folder(order_.log));
        needs.folders.push_back(order_.staging);
        for (const auto& [task, manifest] : order_.inputs) needs.folders.push_back(std::filesystem::path(manifest).parent_path());
        needs.temp_folder = needs.folders.front() + "/tmp";
        needs.memory_bytes = order_.memory_bytes;
        needs.threads = order_.threads;
        database_ = warm_.get(needs);
    }
    return *database_;
}

AttemptDone run_verb(const AttemptOrder& order, AttemptSession& session) {
    try {
        const VerbFunction verb = find_verb(order.verb);
        if (verb == nullptr)
            throw Error(ErrorClass::Permanent, "this host knows no verb '" + order.verb + "'",
                        "the daemon and its hosts must be of one version");
        if (!order.staging.empty()) std::filesystem::create_directories(order.staging);
        session.check_cancelled();
        return verb(order, session);
    } catch (const FailedWithRejects& e) {
        AttemptDone done;
        done.outcome = "failed";
        done.error = to_order_error(e);
        done.rejected = e.rejected;
        done.warned = e.warned;
        done.rejects = e.rejects;
        if (!e.rejects.empty() && e.rejected > 0) // rows that were only warned of are not why
            done.error->remedy += fmt::format("{}look at the rejected rows: millrace data head {}.{} --rejected",
                                              e.remedy.empty() ? "" : "; ", order.context.run_id, order.task);
        return done;
    } catch (const std::exception& e) {
        AttemptDone done;
        done.outcome = "failed";
        done.error = to_order_error(e);
        return done;
    } catch (...) {
        AttemptDone done;
        done.outcome = "failed";
        done.error = OrderError{"permanent", "an error of unknown kind", "", 0};
        return done;
    }
}

} // namespace millrace
