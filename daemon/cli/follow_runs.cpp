#include "daemon/cli/follow_runs.hpp"

#include "daemon/cli/format.hpp"
#include "flows/state.hpp"

#include <csignal>
#include <iostream>
#include <optional>
#include <thread>

namespace millrace {
namespace {

using namespace std::chrono_literals;

constexpr int most_failures = 40; ///< of asking, one after the other: a daemon that restarts is waited for (10 s)

bool is_over(const RunDocument& run) { return is_final(state_from(text_of(run, "state"))); }

volatile std::sig_atomic_t signal_seen = 0;

/// While it lives the first signal is only noted; the second does what it always does.
class Interruption {
public:
    Interruption() {
        signal_seen = 0;
        struct sigaction note {};
        note.sa_handler = [](int number) { signal_seen = number; };
        note.sa_flags = SA_RESETHAND | SA_RESTART;
        sigaction(SIGINT, &note, &interrupt_);
        sigaction(SIGTERM, &note, &terminate_);
    }
    ~Interruption() {
        sigaction(SIGINT, &interrupt_, nullptr);
        sigaction(SIGTERM, &terminate_, nullptr);
    }
    Interruption(const Interruption&) = delete;
    Interruption& operator=(const Interruption&) = delete;

    [[nodiscard]] static bool is_seen() { return signal_seen != 0; }

private:
    struct sigaction interrupt_ {
    }, terminate_{};
};

void cancel_all(const ApiClient& api, const std::vector<RunDocument>& runs, const std::vector<std::string>& ids) {
    for (std::size_t i = 0; i < ids.size(); ++i) {
        if (!runs[i].is_null() && is_over(runs[i])) continue;
        try {
            api.post("/api/v1/runs/" + ids[i] + "/cancel");
        } catch (const ApiError&) {
            // it ended meanwhile
        }
    }
}

} // namespace

RunDocument fetch_run(const ApiClient& api, const std::string& id) {
    auto run = api.get("/api/v1/runs/" + url_encoded(id));
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
    const Interruption interruption;
    bool told = false, cancelled = false;
    for (int failures = 0;;) {
        bool all_over = true;
        try {
            if (interruption.is_seen() && !std::exchange(told, true)) {
                const char* text = "cancelling; once more leaves the runs to the daemon";
                view ? view->note(text) : void(std::cerr << "millrace: " << text << std::endl);
            }
            if (told && !cancelled) {
                cancel_all(api, runs, ids);
                cancelled = true;
            }
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
