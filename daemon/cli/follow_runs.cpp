#include "daemon/cli/follow_runs.hpp"

#include "daemon/cli/absence.hpp"
#include "daemon/cli/format.hpp"
#include "flows/state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <iostream>
#include <optional>
#include <set>
#include <thread>
#include <utility>

namespace millrace {
namespace {

using namespace std::chrono_literals;

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

/// The runs that are waited for, and what a signal asks for.
class Following {
public:
    Following(const ApiClient& api, const std::vector<std::string>& ids, std::ostream* out, const Terminal& terminal)
        : api_(watchful(api)), ids_(ids), runs_(ids.size()), terminal_(terminal),
          absence_(
              ids, [this](const std::string& line) { tell(line); }, now()) {
        if (out) view_.emplace(*out, terminal);
    }

    std::vector<RunDocument> to_the_end() {
        const Interruption interruption;
        for (auto pause = 50ms;; pause = std::min(pause * 2, 200ms)) {
            const bool answered = absence_.bears([this] {
                cancel_if_asked();
                fetch();
                if (!view_ && all_over()) fetch_whole();
            });
            if (answered && view_) view_->show(runs_, now());
            if (answered && all_over()) return runs_;
            if (!answered) leave_if_asked();
            std::this_thread::sleep_for(pause);
        }
    }

private:
    void tell(const std::string& line) { view_ ? view_->note(line) : void(std::cerr << "millrace: " << line << std::endl); }

    void cancel_if_asked() {
        if (!Interruption::is_seen() || is_cancelled_) return;
        if (!std::exchange(is_told_, true)) {
            was_away_ = absence_.is_told();
            if (view_ && terminal_.is_terminal) view_->note(""); // after its "^C"
            tell("cancelling; once more leaves the runs to the daemon");
        }
        for (std::size_t i = 0; i < ids_.size(); ++i)
            if (!cancelled_.contains(i) && (runs_[i].is_null() || !is_over(runs_[i]))) cancel(i);
        is_cancelled_ = true;
        if (std::exchange(is_late_, false)) tell("the daemon was asked again, and cancels");
    }

    void cancel(std::size_t i) {
        constexpr int not_found = 404, conflict = 409;
        try {
            api_.post("/api/v1/runs/" + ids_[i] + "/cancel");
        } catch (const ApiError& error) {
            if (error.status != conflict && error.status != not_found) throw;
            // it ended meanwhile
        }
        cancelled_.insert(i);
    }

    /// After a question without an answer. Who had been told that the daemon is away wants to leave: throws Unreachable. Any other wants
    /// the runs cancelled, which is asked for again.
    void leave_if_asked() {
        if (!is_told_ || is_cancelled_) return;
        if (was_away_)
            throw Unreachable(
                fmt::format("the daemon does not answer, so {} cancelled", cancelled_.empty() ? "nothing was" : "not all were"),
                absence_.what_now());
        if (!std::exchange(is_late_, true)) tell("the daemon cannot cancel now: it is asked again");
    }

    void fetch() {
        for (std::size_t i = 0; i < ids_.size(); ++i)
            if (runs_[i].is_null() || !is_over(runs_[i])) runs_[i] = fetch_run(api_, ids_[i], runs_[i]);
    }

    /// For a program that reads them.
    void fetch_whole() {
        for (std::size_t i = 0; i < ids_.size(); ++i) runs_[i] = fetch_whole_run(api_, ids_[i]);
    }

    [[nodiscard]] bool all_over() const { return std::all_of(runs_.begin(), runs_.end(), is_over); }

    const ApiClient api_;
    const std::vector<std::string>& ids_;
    std::vector<RunDocument> runs_; ///< null: never fetched
    const Terminal& terminal_;
    std::optional<RunView> view_;
    Absence absence_;
    std::set<std::size_t> cancelled_; ///< places of runs whose cancel was answered
    bool is_told_ = false;            ///< that it cancels
    bool was_away_ = false;           ///< the daemon, as had been told before the signal
    bool is_late_ = false;            ///< the cancel, which the daemon did not take at once
    bool is_cancelled_ = false;       ///< all of them
};

} // namespace

std::vector<RunDocument> follow_runs(const ApiClient& api, const std::vector<std::string>& ids, std::ostream* out,
                                     const Terminal& terminal) {
    return Following(api, ids, out, terminal).to_the_end();
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
