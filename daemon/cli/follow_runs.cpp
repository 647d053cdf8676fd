#include "daemon/cli/follow_runs.hpp"

#include "daemon/cli/format.hpp"
#include "flows/state.hpp"

#include <thread>

namespace millrace {
namespace {

using namespace std::chrono_literals;

constexpr int most_failures = 40; ///< of asking, one after the other: a daemon that restarts is waited for (10 s)

bool is_over(const RunDocument& run) { return is_final(state_from(text_of(run, "state"))); }

} // namespace

RunDocument fetch_run(const ApiClient& api, const std::string& id) {
    auto run = api.get("/api/v1/runs/" + id);
    if (run.contains("chunks") && run["chunks"].is_array())
        for (auto& chunk : run["chunks"]) {
            const auto state = text_of(chunk, "state");
            if (state != "scheduled" && state != "pending") chunk = api.get("/api/v1/runs/" + text_of(chunk, "id"));
        }
    return run;
}

std::vector<RunDocument> follow_runs(const ApiClient& api, const std::vector<std::string>& ids, std::ostream* out,
                                     const Terminal& terminal) {
    std::vector<RunDocument> runs(ids.size());
    std::optional<RunView> view;
    if (out) view.emplace(*out, terminal);
    auto pause = 50ms;
    for (int failures = 0;;) {
        bool all_over = true;
        try {
            for (std::size_t i = 0; i < ids.size(); ++i) {
                if (runs[i].is_null() || !is_over(runs[i])) runs[i] = fetch_run(api, ids[i]);
                all_over = all_over && is_over(runs[i]);
            }
            failures = 0;
        } catch (const Unreachable&) {
            if (++failures > most_failures) throw;
            all_over = false;
        }
        if (view && failures == 0) view->show(runs, now());
        if (all_over) return runs;
        std::this_thread::sleep_for(failures > 0 ? 250ms : pause);
        pause = std::min(pause * 2, 200ms);
    }
}

ExitCode code_of_runs(const std::vector<RunDocument>& runs) {
    ExitCode code = exit_done;
    for (const auto& run : runs) {
        const auto state = text_of(run, "state");
        if (state == "completed" || state == "skipped") continue;
        const bool stopped = state == "cancelled" || text_of(run, "state_name") == "TimedOut";
        if (!stopped) return exit_failed;
        code = exit_cancelled;
    }
    return code;
}

} // namespace millrace
