#include "daemon/cli/history_findings.hpp"

#include "daemon/cli/format.hpp"

#include <fmt/format.h>

namespace millrace {
namespace {

constexpr double scarce = 0.1; ///< of a disk

double gigabytes(std::int64_t bytes) { return static_cast<double>(bytes) / 1e9; }

Finding size_of(const Json& history) {
    const auto oldest = text_of(history, "oldest_at");
    auto text = fmt::format("about {} in {}, {:.1f} GB", counted(number_of(history, "rows"), "row"),
                            counted(number_of(history, "periods"), "period"), gigabytes(number_of(history, "bytes")));
    if (!oldest.empty()) text += ", the oldest run of " + local_time_text(oldest);
    if (const auto run = number_of(history, "kept_by"); run != 0)
        return {
            "history", true, text,
            fmt::format("older than `retention.history`, and kept by run {0}, which is live or which a live run repeats; end it if nobody "
                        "waits for it: millrace runs show {0}",
                        run)};
    return {"history", true, text, ""};
}

Finding last_pass(const Json& history, Instant now) {
    const auto ran_at = text_of(history, "last_ran_at"), failure = text_of(history, "failure");
    if (!failure.empty())
        return {"retention", false, failure, "what is old stays until this is mended; it is tried again each hour, see the daemon's log"};
    if (ran_at.empty()) return {"retention", true, "has not looked for what is old yet, since the daemon has just started", ""};
    const auto ago = std::chrono::duration<double>(now - parse_rfc3339(ran_at).value_or(now)).count();
    return {"retention", true, fmt::format("looked for what is old {} ago", duration_text(ago)), ""};
}

} // namespace

std::vector<Finding> history_findings(const Json& history, Instant now) {
    std::vector<Finding> findings{size_of(history), last_pass(history, now)};
    for (const auto& disk : list_of(history, "disks")) {
        const auto free = number_of(disk, "free_bytes"), size = number_of(disk, "size_bytes");
        if (size == 0 || static_cast<double>(free) >= scarce * static_cast<double>(size)) continue;
        const auto folder = text_of(disk, "folder");
        findings.push_back({folder, true,
                            fmt::format("the disk of {} is nearly full: {:.1f} of {:.1f} GB are free", text_of(disk, "path"),
                                        gigabytes(free), gigabytes(size)),
                            folder == "staging" ? "keep less, by `retention:` in millrace.yaml, or choose a larger disk with `staging:`"
                                                : "free some space, or choose a larger disk with `state:` in millrace.yaml"});
    }
    return findings;
}

} // namespace millrace
