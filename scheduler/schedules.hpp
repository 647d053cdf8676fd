/// Fires what is due. One firing per nominal instant, whatever happens: its row is unique in the store and written together
/// with the run that it makes and the next instant. After downtime, `missed` says which of the passed ones still fire; one that
/// is hardly late is on time whatever passed before it.
///
/// Of several nodes each fires its share on time; what of the others' share is still not fired a second later, any node fires.
/// Who is whose share is a matter of speed alone: two nodes that both fire an instant meet at its row.
///
/// When somebody sets the wall clock by more than a minute nothing fires for a while, since who sets it once may set it twice; what
/// passed by that counts as downtime. What the clock of a node that is alone passed over while it was ahead comes when it is due by the
/// right one: what fired already meets its row.
#pragma once

#include "flows/cron.hpp"
#include "scheduler/catalogue.hpp"
#include "scheduler/one_at_a_time.hpp"
#include "scheduler/runner.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>

#include <set>

namespace millrace {

/// Why schedules in such a zone rest on that node.
[[nodiscard]] std::string lacking_zone(const std::string& node, const std::string& zone);

class Schedules {
public:
    /// `node` is this one's id.
    Schedules(Clock& clock, ScheduleStore& store, Catalogue& catalogue, Runner& runner, Journal& journal, RunIds& ids, std::string node);

    /// Reads the schedules anew: at start, after a deploy or a pause.
    [[nodiscard]] boost::asio::awaitable<void> load();
    /// The last load() did not come to its end: what fires may be what was deployed before.
    [[nodiscard]] bool is_stale() const { return stale_; }
    /// `loaded` is called after each load().
    void when_loaded(std::function<void()> loaded) { loaded_ = std::move(loaded); }
    /// The nodes that live; until told, this one is alone.
    void share_among(std::vector<std::string> nodes);
    /// The rules of these zones have changed: what comes next is by the new ones.
    void zones_changed(const std::vector<std::string>& zones);
    /// Notices that the wall clock was set. To be called every few seconds.
    void look_at_clock() { (void)clock_was_set(); }
    /// While the clock is wrong other nodes fire.
    void trust_clock(bool trusted);
    /// Nothing fires any more.
    void stop();

    [[nodiscard]] const std::vector<StoredSchedule>& all() const { return schedules_; }

    /// Null: there is none.
    [[nodiscard]] const StoredSchedule* find(const std::string& flow, int number) const;
    /// Of the living nodes this one acts first for the flow (for its first schedule, where it has any).
    [[nodiscard]] bool is_ours(const std::string& flow, int number = 0) const { return nodes_before(flow, number) == 0; }
    /// When a firing starts its run: the nominal instant plus the schedule's jitter, always the same for the same firing. The jitter
    /// ends where the next firing is: firings come in their order, and none is late because of one before it.
    [[nodiscard]] static Instant due(const StoredSchedule& schedule, Instant nominal);

    /// The next firing of a schedule, strictly after `after`, as the store keeps it.
    static void set_next(StoredSchedule& schedule, Instant after);

private:
    /// What of a schedule is due now: in order, and what comes after it.
    struct Passed {
        std::vector<Firing> late; ///< by its policy: the last one, or as many as go at once, or none
        std::vector<Firing> on_time;
        std::optional<Firing> next;
        std::size_t late_count = 0; ///< at least
        bool counted_all = true;
        bool last_is_too_old = false; ///< for `missed_within`, as all before it are then
        Instant first{}, last{};      ///< of what was looked at, and of what is late
    };

    /// Run ids that are on their way; doubled while none come.
    static constexpr std::chrono::microseconds ids_come_in = std::chrono::milliseconds(5);

    bool clock_was_set();
    void arm();
    void had_ids(bool any);
    void fire_due();
    void line_up(std::size_t place);
    void line_up_all();
    void bring_back();
    [[nodiscard]] std::ptrdiff_t nodes_before(const std::string& flow, int number) const;
    /// Fires what the nodes whose share it was have not fired.
    [[nodiscard]] boost::asio::awaitable<void> fire_for_others(std::vector<std::size_t> places, std::uint64_t generation);
    bool fire(StoredSchedule& schedule);
    /// True also for a firing that cannot become a run: an event tells of it.
    bool make_run(const StoredSchedule& schedule, const Firing& firing, bool catch_up);
    void not_taken(FiringRow fired, bool catch_up, const std::string& sqlstate, const std::string& message);
    void tell_not_fired(FiringRow fired, const std::string& why);
    [[nodiscard]] static std::optional<Instant> before_window(const StoredSchedule& schedule, Instant counted, Instant now);
    [[nodiscard]] static std::optional<Instant> before_last_late(const StoredSchedule& schedule, Instant counted, Instant now);
    void look_for_zones();
    /// Of the schedules in such zones. True: something comes at another time than it did.
    bool follow_zones(const std::function<bool(const std::string& zone)>& which);
    [[nodiscard]] static Passed passed(const StoredSchedule& schedule, Instant now);
    void tell_missed(const StoredSchedule& schedule, const Passed& passed, std::size_t count);
    void tell_left_out(const StoredSchedule& schedule, const Passed& passed, std::size_t count);

    Clock& clock_;
    ScheduleStore& store_;
    Catalogue& catalogue_;
    Runner& runner_;
    Journal& journal_;
    RunIds& ids_;
    const std::string node_;
    std::vector<std::string> nodes_;
    std::function<void()> loaded_;
    std::vector<StoredSchedule> schedules_;
    std::map<std::pair<std::string, int>, std::size_t> places_; ///< of schedules_, by flow and number
    std::chrono::microseconds ids_in_ = ids_come_in;            ///< to the next try while no run id is there
    Instant no_ids_until_{};                                    ///< that try, where none was there
    std::uint64_t generation_ = 0;                              ///< of schedules_: places mean others after a load()
    std::set<std::pair<Instant, std::size_t>> line_; ///< when they are due, and their places in schedules_; the held ones are left out
    std::chrono::microseconds wall_offset_;          ///< of the clock, when it was looked at last
    Clock::TimerId timer_ = 0, hold_ = 0;            ///< hold_: 0, or the clock was set lately
    std::set<std::string> told_zones_;               ///< that are lacking
    int left_of_turn_ = 0;                           ///< schedules that fire before others get their turn
    bool loaded_once_ = false;                       ///< before it, what is stored may be by the rules and the clock of a former life
    bool stale_ = false;
    OneAtATime loads_; ///< else what was read first could come last
    bool clock_trusted_ = true;
    bool stopped_ = false;
};

} // namespace millrace
