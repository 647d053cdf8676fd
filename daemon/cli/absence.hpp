/// How a command that follows runs or logs bears a daemon that is away: killed, being restarted, mute, without its store, or behind a
/// proxy that does not reach it. It says so once the absence has lasted a second, and once when it is over; after five minutes it gives
/// up. Decides and words, and neither waits nor asks anybody.
#pragma once

#include "daemon/cli/api_client.hpp"
#include "daemon/cli/format.hpp"

#include <functional>
#include <string>

namespace millrace {

class Absence {
public:
    using Tell = std::function<void(const std::string& line)>;

    /// `runs` are those that are followed, for what is said; at least one.
    Absence(std::vector<std::string> runs, Tell tell, Instant now) : runs_(std::move(runs)), tell_(std::move(tell)), last_answer_(now) {}

    /// Where `ask` finds no daemon: false, or Unreachable when it has been away for too long. What else it throws passes.
    template <class Ask>
    [[nodiscard]] bool bears(Ask ask) {
        std::string why;
        try {
            ask();
            answered(now());
            return true;
        } catch (const Unreachable& error) {
            why = error.what();
        } catch (const ApiError& error) {
            if (!error.passes()) throw;
            why = error.what();
        }
        missed(why, now());
        return false;
    }

    void answered(Instant at);
    /// Throws Unreachable after five minutes.
    void missed(const std::string& why, Instant at);

    [[nodiscard]] bool is_away() const { return is_away_; }
    /// It is away, and that was said.
    [[nodiscard]] bool is_told() const { return is_told_; }
    /// What becomes of the runs when nobody waits for them any more: the end of a sentence, and the command that shows one.
    [[nodiscard]] std::string what_now() const;

private:
    std::vector<std::string> runs_;
    Tell tell_;
    Instant last_answer_;
    bool is_away_ = false, is_told_ = false;
};

/// Of a client that is to notice within seconds that a daemon is mute.
[[nodiscard]] ApiClient watchful(const ApiClient& api);

} // namespace millrace
