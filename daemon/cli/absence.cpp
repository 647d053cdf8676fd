#include "daemon/cli/absence.hpp"

#include <fmt/format.h>

namespace millrace {
namespace {

using namespace std::chrono_literals;

constexpr auto shortest = 1s; ///< a shorter one is no news
constexpr auto longest = 5min;

std::string time_of_day(Instant at) { return local_time_text(to_rfc3339(at)).substr(11); }

} // namespace

void Absence::answered(Instant at) {
    if (is_told_)
        tell_(fmt::format("{} the daemon answers again, after {}", time_of_day(at),
                          duration_text(std::chrono::duration<double>(at - last_answer_).count())));
    is_away_ = is_told_ = false;
    last_answer_ = at;
}

void Absence::missed(const std::string& why, Instant at) {
    is_away_ = true;
    if (at - last_answer_ >= longest)
        throw Unreachable(fmt::format("the daemon has not answered for {} minutes: {}", std::chrono::minutes(longest).count(), why),
                          what_now());
    if (is_told_ || at - last_answer_ < shortest) return;
    is_told_ = true;
    tell_(fmt::format("{} the daemon has not answered since {}: {}\n  {}; tried again for {} minutes, Ctrl-C leaves", time_of_day(at),
                      time_of_day(last_answer_), why,
                      runs_.size() == 1 ? "the run is safe, and goes on with the daemon" : "the runs are safe, and go on with the daemon",
                      std::chrono::minutes(longest).count()));
}

std::string Absence::what_now() const {
    return fmt::format("{} with the daemon: millrace up, or systemctl start millrace; then: millrace runs show {}",
                       runs_.size() == 1 ? "the run is safe, and goes on" : "the runs are safe, and go on", runs_.front());
}

ApiClient watchful(const ApiClient& api) {
    auto address = api.address();
    address.patience = std::min(address.patience, 2s);
    return ApiClient(std::move(address));
}

} // namespace millrace
