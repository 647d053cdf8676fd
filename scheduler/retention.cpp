#include "scheduler/retention.hpp"

#include "flows/interval.hpp"

#include <algorithm>

namespace millrace {
namespace {

constexpr auto least_history = std::chrono::hours(24), stray_after = std::chrono::hours(24);

std::chrono::microseconds time_of(const std::string& text) {
    const Span span = parse_span(text); // millrace.yaml was checked: no months
    return std::chrono::days(span.days) + std::chrono::seconds(span.seconds);
}

} // namespace

RetentionPolicy retention_policy(const Json& written) {
    RetentionPolicy policy;
    const auto take = [&](const char* kind, std::chrono::microseconds& time) {
        if (const auto at = written.is_object() ? written.find(kind) : written.end(); at != written.end())
            time = time_of(at->get<std::string>());
    };
    take("raw", policy.raw);
    take("quarantine", policy.quarantine);
    take("datasets", policy.datasets);
    take("logs", policy.logs);
    policy.events = {};
    take("events", policy.events);
    // What is written counts, and a default follows it; what contradicts itself the project refused.
    policy.history = std::max({policy.history, policy.raw, policy.quarantine, policy.datasets, policy.logs, policy.events});
    take("history", policy.history);
    policy.history = std::max<std::chrono::microseconds>(policy.history, least_history);
    for (auto* time : {&policy.raw, &policy.quarantine, &policy.datasets, &policy.logs}) *time = std::min(*time, policy.history);
    if (!written.is_object() || !written.contains("events")) policy.events = policy.history;
    policy.events = std::clamp<std::chrono::microseconds>(policy.events, least_history, policy.history);
    return policy;
}

Kept kind_of(std::string_view path) {
    const auto slash = path.rfind('/');
    const auto name = slash == std::string_view::npos ? path : path.substr(slash + 1);
    const auto folder = slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
    if (path.starts_with("logs/")) return Kept::Logs;
    const bool is_raw = folder.ends_with("/raw");
    if (name.starts_with("quarantine-") || name.starts_with("refused-deletes-") || (is_raw && name.starts_with("rejected-")))
        return Kept::Quarantine;
    return is_raw ? Kept::Raw : Kept::Datasets;
}

std::set<Kept> due(const RetentionPolicy& policy, const FolderOwner& owner, Instant changed_at, Instant now) {
    const std::set<Kept> all{Kept::Raw, Kept::Quarantine, Kept::Datasets, Kept::Logs};
    if (!owner.is_known) return now - changed_at > stray_after ? all : std::set<Kept>();
    std::set<Kept> out;
    if (owner.is_needed || !owner.ended_at) return out;
    const auto passed = now - *owner.ended_at;
    if (passed > policy.raw) out.insert(Kept::Raw);
    if (passed > policy.quarantine) out.insert(Kept::Quarantine);
    if (passed > policy.datasets) out.insert(Kept::Datasets);
    if (passed > policy.logs) out.insert(Kept::Logs);
    return out;
}

Instant oldest_untouched(const RetentionPolicy& policy, Instant now) {
    return now - std::min({policy.raw, policy.quarantine, policy.datasets, policy.logs, std::chrono::microseconds(stray_after)});
}

} // namespace millrace
