#include "scheduler/backfill.hpp"

#include "scheduler/rerun.hpp"

namespace millrace {

constexpr const char* option = "backfill";

void write_backfill(RunRow& row, const Backfill& backfill) {
    row.options[option] = {{"every", backfill.every}, {"at_once", backfill.at_once}, {"done", backfill.done}};
}

std::optional<Backfill> backfill_of(const RunRow& row) {
    const auto found = row.options.find(option);
    if (found == row.options.end()) return std::nullopt;
    return Backfill{found->at("every").get<Span>(), found->at("at_once").get<int>(), found->at("done").get<std::vector<int>>()};
}

bool stands_in_line(const RunRow& row) { return !row.parent_id && !row.options.contains(option); }

bool is_alone_in_its_time(const RunRow& row) {
    return !row.parent_id && row.options.contains(option) && !row.options.contains("limit_rows");
}

std::map<int, std::int64_t> completed_before(const std::vector<Interval>& chunks, const Json& params, const FlowPlan& now,
                                             const std::vector<RunRow>& runs,
                                             const std::map<std::string, std::shared_ptr<const FlowPlan>>& plans) {
    std::map<std::string, bool> does_the_same; // by hash
    for (const auto& [hash, plan] : plans) does_the_same[hash] = plan && do_the_same(*plan, now);
    std::map<std::pair<Instant, Instant>, std::int64_t> done;
    for (const auto& run : runs)
        if (run.interval_start && run.state == State::Completed && run.params == params && !run.options.contains("limit_rows") &&
            !has_failures(run.summary) && does_the_same[run.plan_hash])
            done[{*run.interval_start, *run.interval_end}] = run.id;
    std::map<int, std::int64_t> out;
    for (int number = 1; const auto& chunk : chunks) {
        if (const auto at = done.find({chunk.start, chunk.end}); at != done.end()) out[number] = at->second;
        ++number;
    }
    return out;
}

} // namespace millrace
