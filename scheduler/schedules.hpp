/// Fires what is due. One firing per nominal instant, whatever happens: its row is unique in the store and written together
/// with the run that it makes and the next instant. After downtime, `missed` says which of the passed ones still fire.
#pragma once

#include "scheduler/catalogue.hpp"
#include "scheduler/runner.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>

namespace millrace {

class Schedules {
public:
    Schedules(Clock& clock, Store& store, Catalogue& catalogue, Runner& runner, RunIds& ids);

    /// Reads the schedules anew: at start, after a deploy or a pause.
    [[nodiscard]] boost::asio::awaitable<void> load();
    /// Nothing fires any more.
    void stop();

    [[nodiscard]] const std::vector<StoredSchedule>& all() const { return schedules_; }

    /// The next firing of a schedule, strictly after `after`, as the store keeps it.
    static void set_next(StoredSchedule& schedule, Instant after);

private:
    void arm();
    void fire_due();
    bool fire(StoredSchedule& schedule);
    bool make_run(const StoredSchedule& schedule, Instant nominal, const std::string& local, bool catch_up);
    [[nodiscard]] static Instant due(const StoredSchedule& schedule);

    Clock& clock_;
    Store& store_;
    Catalogue& catalogue_;
    Runner& runner_;
    RunIds& ids_;
    std::vector<StoredSchedule> schedules_;
    Clock::TimerId timer_ = 0;
    bool stopped_ = false;
};

/// What still fires of the nominal instants that passed while nothing could fire, oldest first.
[[nodiscard]] std::vector<std::size_t> chosen_of_missed(const std::string& policy, std::size_t passed);

} // namespace millrace
