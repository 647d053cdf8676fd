#include "scheduler/retention_job.hpp"

#include "flows/counted.hpp"
#include "scheduler/one_line.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <limits>

namespace millrace {
namespace asio = boost::asio;
namespace {

constexpr auto between_passes = std::chrono::hours(1);
constexpr auto between_looks = std::chrono::minutes(1);
constexpr auto packed_after = std::chrono::hours(1);         ///< the end of its run and the last change of a log
constexpr auto longest_turn = std::chrono::milliseconds(50); ///< of a thread of the pool
constexpr std::size_t folders_at_once = 200;

std::string removed_text(const DroppedHistory& history, const Swept& files) {
    std::vector<std::string> parts;
    if (history.periods) parts.push_back(counted(history.periods, "period") + " of history");
    if (history.event_periods) parts.push_back("the events of " + counted(history.event_periods, "period"));
    if (history.events) parts.push_back(counted(history.events, "event"));
    if (files.files) parts.push_back(fmt::format("{} of {:.1f} MB", counted(files.files, "file"), static_cast<double>(files.bytes) / 1e6));
    if (files.folders && !files.files) parts.push_back(counted(files.folders, "empty folder"));
    return fmt::format("{}", fmt::join(parts, ", "));
}

Json disk_json(const char* folder, const std::filesystem::path& path, const DiskSpace& space) {
    return {{"folder", folder}, {"path", path.string()}, {"free_bytes", space.free}, {"size_bytes", space.size}};
}

} // namespace

RetentionJob::RetentionJob(asio::io_context& io, Clock& clock, Database& database, Journal& journal, Config config)
    : io_(io), clock_(clock), database_(database), journal_(journal), config_(std::move(config)), pause_(io), idle_(io) {}

void RetentionJob::start() {
    watch();
    pass_soon();
}

void RetentionJob::pass_soon() {
    if (stopping_ || under_way_) return;
    under_way_ = true;
    asio::co_spawn(io_, pass(), [this](std::exception_ptr) {
        under_way_ = false;
        idle_.cancel();
        if (!stopping_) next_pass_ = clock_.call_after(between_passes, [this] { pass_soon(); });
    });
}

void RetentionJob::begin_no_more() {
    stopping_ = true;
    clock_.cancel(next_pass_);
    clock_.cancel(next_look_);
    pause_.cancel();
}

asio::awaitable<void> RetentionJob::stop() {
    begin_no_more();
    while (under_way_ || watching_) {
        idle_.expires_after(std::chrono::seconds(1));
        boost::system::error_code ended;
        co_await idle_.async_wait(asio::redirect_error(asio::use_awaitable, ended));
    }
}

asio::awaitable<void> RetentionJob::pass() {
    Removed removed;
    const Instant now = clock_.now();
    try {
        const auto policy = retention_policy(config_.written());
        co_await drop_rows(removed, policy, now);
        co_await sweep_folders(removed, policy, now);
        facts_ = co_await history_facts(database_);
    } catch (const std::exception& e) {
        if (removed.failure.empty()) removed.failure = one_line(e.what());
    }
    if (stopping_) co_return;
    if (removed.failure.empty()) removed.failure = removed.files.failure;
    tell(removed);
    ran_at_ = clock_.now();
}

/// Where the store is busy or away, files go all the same.
asio::awaitable<void> RetentionJob::drop_rows(Removed& removed, RetentionPolicy policy, Instant now) {
    try {
        const bool is_new = co_await renew_period(database_, policy, now);
        if (is_new) config_.forget_ids_below(std::numeric_limits<std::int64_t>::max());
        co_await settle_periods(database_, now);
        removed.history = co_await drop_history(database_, policy, now);
        kept_by_ = removed.history.kept_by;
        if (const auto nodes = co_await forget_nodes(database_); nodes > 0) spdlog::info("nodes=forgotten count={}", nodes);
        co_await drop_old_requests(database_, now);
    } catch (const std::exception& e) {
        removed.failure = one_line(e.what());
    }
}

asio::awaitable<void> RetentionJob::sweep_folders(Removed& removed, RetentionPolicy policy, Instant now) {
    auto list = [staging = config_.staging] { return run_folders(staging); };
    const auto names = co_await database_.on_pool(std::move(list));
    for (std::size_t from = 0; from < names.size() && !stopping_; from += folders_at_once) {
        const auto to = std::min(from + folders_at_once, names.size());
        const std::vector looked_at(names.begin() + static_cast<std::ptrdiff_t>(from), names.begin() + static_cast<std::ptrdiff_t>(to));
        auto look = [staging = config_.staging, before = oldest_untouched(policy, now), logs_before = now - policy.logs, looked_at] {
            return changed_before(staging, looked_at, before, logs_before);
        };
        auto some = co_await database_.on_pool(std::move(look));
        if (!some.empty()) co_await sweep_some(removed, policy, now, std::move(some));
        co_await pause();
        co_await pack_some(now, looked_at);
        co_await pause();
    }
}

asio::awaitable<void> RetentionJob::sweep_some(Removed& removed, RetentionPolicy policy, Instant now, std::vector<RunFolder> folders) {
    std::vector<std::string> ids;
    for (const auto& folder : folders) ids.push_back(folder.staging_id);
    const auto owners = co_await folder_owners(database_, std::move(ids));
    for (const auto& folder : folders) {
        const auto owner = owners.find(folder.staging_id);
        const auto kinds = due(policy, owner == owners.end() ? FolderOwner() : owner->second, folder.changed_at, now);
        for (bool done = kinds.empty(); !done && !stopping_;) {
            auto work = [path = config_.staging / folder.staging_id, kinds] {
                Swept swept;
                const bool is_done = sweep(path, kinds, longest_turn, swept);
                return std::pair(is_done, swept);
            };
            const auto turn = co_await database_.on_pool(std::move(work));
            removed.files.add(turn.second);
            done = turn.first;
            if (!done) co_await pause();
        }
    }
}

/// Only of runs that have ended: until then the runner may append why an attempt was lost.
asio::awaitable<void> RetentionJob::pack_some(Instant now, std::vector<std::string> names) {
    const Instant before = now - packed_after;
    auto look = [staging = config_.staging, before, names = std::move(names)] { return with_plain_logs(staging, names, before); };
    const auto ids = co_await database_.on_pool(std::move(look));
    if (ids.empty()) co_return;
    const auto owners = co_await folder_owners(database_, ids);
    Packed packed;
    for (const auto& [id, owner] : owners) {
        if (!owner.ended_at || *owner.ended_at > before) continue;
        for (bool done = false; !done && !stopping_;) {
            auto work = [path = config_.staging / id, before, packed] {
                Packed more = packed;
                const bool is_done = pack_logs(path, before, longest_turn, more);
                return std::pair(is_done, more);
            };
            std::tie(done, packed) = co_await database_.on_pool(std::move(work));
            co_await pause();
        }
    }
    if (packed.files > 0)
        spdlog::info("logs=compressed files={} bytes_before={} bytes_after={}", packed.files, packed.bytes_before, packed.bytes_after);
}

/// Disks on a thread of the pool, for one may not answer: then the figures stay as they were.
asio::awaitable<void> RetentionJob::look_around() {
    auto ask = [staging = config_.staging, state = config_.state] {
        return std::pair(disk_space(staging).value_or(DiskSpace()), disk_space(state).value_or(DiskSpace()));
    };
    std::tie(of_staging_, of_state_) = co_await database_.on_pool(std::move(ask));
    const auto lowest = co_await lowest_usable_id(database_);
    config_.forget_ids_below(lowest);
}

/// As long as a turn takes: half of one thread is all that it uses.
asio::awaitable<void> RetentionJob::pause() {
    if (stopping_) co_return;
    pause_.expires_after(longest_turn);
    boost::system::error_code ended;
    co_await pause_.async_wait(asio::redirect_error(asio::use_awaitable, ended));
}

void RetentionJob::tell(const Removed& removed) {
    const auto& [history, files, failure] = removed;
    dropped_periods_ += history.periods;
    removed_files_ += files.files;
    removed_bytes_ += files.bytes;
    failures_ += failure.empty() ? 0 : 1;
    if (!failure.empty()) spdlog::warn("retention=failed error=\"{}\" remedy=\"it is tried again in an hour\"", failure);
    const auto what = removed_text(history, files);
    const bool is_news = !what.empty() || failure != failure_;
    failure_ = failure;
    if (!what.empty())
        spdlog::info("retention=removed periods={} event_periods={} events={} files={} bytes={} folders={}", history.periods,
                     history.event_periods, history.events, files.files, files.bytes, files.folders);
    if (!is_news) return;
    RunChanges changes;
    EventRow event;
    event.at = clock_.now();
    event.kind = "retention";
    event.message = (what.empty() ? "" : "retention removed " + what) + (what.empty() || failure.empty() ? "" : "; ") +
                    (failure.empty() ? "" : "retention failed: " + failure);
    if (event.message.empty()) event.message = "retention works again";
    event.details = {{"periods", history.periods}, {"event_periods", history.event_periods},
                     {"events", history.events},   {"files", files.files},
                     {"bytes", files.bytes},       {"folders", files.folders},
                     {"failed", files.failed}};
    changes.events.push_back(std::move(event));
    journal_.submit(std::move(changes));
}

void RetentionJob::watch() {
    if (stopping_) return;
    if (!std::exchange(watching_, true))
        asio::co_spawn(io_, look_around(), [this](std::exception_ptr) { // a store that is away is told of by others
            watching_ = false;
            idle_.cancel();
        });
    next_look_ = clock_.call_after(between_looks, [this] { watch(); });
}

Json RetentionJob::describe() const {
    const auto policy = retention_policy(config_.written());
    const auto seconds = [](std::chrono::microseconds time) { return std::chrono::duration_cast<std::chrono::seconds>(time).count(); };
    Json out = {{"periods", facts_.periods},
                {"rows", facts_.rows},
                {"bytes", facts_.bytes},
                {"oldest_at", facts_.oldest_at ? Json(to_rfc3339(*facts_.oldest_at)) : Json()},
                {"kept_by", kept_by_ ? Json(kept_by_) : Json()},
                {"last_ran_at", ran_at_ ? Json(to_rfc3339(*ran_at_)) : Json()},
                {"failure", failure_}};
    out["policy"] = {{"raw", seconds(policy.raw)},   {"quarantine", seconds(policy.quarantine)}, {"datasets", seconds(policy.datasets)},
                     {"logs", seconds(policy.logs)}, {"events", seconds(policy.events)},         {"history", seconds(policy.history)}};
    out["disks"] = {disk_json("staging", config_.staging, of_staging_), disk_json("state", config_.state, of_state_)};
    return out;
}

Json RetentionJob::figures() const {
    const auto unix_time = [](const std::optional<Instant>& t) { return t ? to_micros(*t) / 1'000'000 : 0; };
    const auto age = facts_.oldest_at ? std::chrono::duration_cast<std::chrono::seconds>(clock_.now() - *facts_.oldest_at).count() : 0;
    return {{"history_periods", facts_.periods},
            {"history_rows", facts_.rows},
            {"history_bytes", facts_.bytes},
            {"history_oldest_seconds", age},
            {"retention_last_run_time_seconds", unix_time(ran_at_)},
            {"retention_failures_total", failures_},
            {"retention_dropped_periods_total", dropped_periods_},
            {"retention_removed_files_total", removed_files_},
            {"retention_removed_bytes_total", removed_bytes_},
            {"staging_free_bytes", of_staging_.free},
            {"staging_size_bytes", of_staging_.size},
            {"state_free_bytes", of_state_.free},
            {"state_size_bytes", of_state_.size}};
}

} // namespace millrace
