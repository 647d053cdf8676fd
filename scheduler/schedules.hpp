/// Fires what is due. One firing per nominal instant, whatever happens: its row is unique in the store and written together
/// with the run that it makes and the next instant. After downtime, `missed` says which of the passed ones still fire; one that
/// is hardly late is on time whatever passed before it.
#pragma once

#include "flows/cron.hpp"
#include "scheduler/catalogue.hpp"
#include "scheduler/runner.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>

namespace millrace {

class Schedules {
public:
    Schedules(Clock& clock, Store& store, Catalogue& catalogue, Runner& runner, Journal& journal, RunIds& ids);

    /// Reads the schedules anew: at start, after a deploy or a pause.
    [[nodiscard]] boost::asio::awaitable<void> load();
    /// Nothing fires any more.
    void stop();

    [[nodiscard]] const std::vector<StoredSchedule>& all() const { return schedules_; }

    /// The next firing of a schedule, strictly after `after`, as the store keeps it.
    static void set_next(StoredSchedule& schedule, Instant after);

private:
    /// What of a schedule is due now: in order, and what comes after it.
    struct Passed {
        std::vector<Firing> late; ///< by its policy: the last one, or as many as go at once, or none
        std::vector<Firing> on_time;
        std::optional<Firing> next;
        std::size_t late_count = 0;
    };

    void arm();
    void fire_due();
    bool fire(StoredSchedule& schedule);
    /// True also for a firing that cannot become a run: an event tells of it.
    bool make_run(const StoredSchedule& schedule, const Firing& firing, bool catch_up);
    [[nodiscard]] static Passed passed(const StoredSchedule& schedule, Instant now);
    [[nodiscard]] static Instant due(const StoredSchedule& schedule, Instant nominal);

    Clock& clock_;
    Store& store_;
    Catalogue& catalogue_;
    Runner& runner_;
    Journal& journal_;
    RunIds& ids_;
    std::vector<StoredSchedule> schedules_;
    Clock::TimerId timer_ = 0;
    bool stopped_ = false;
};

} // namespace millrace
