/// Watches over what flows expect (`expect:`): looks at a flow when something may be broken or mended, decides by
/// expectations.hpp, and hands what follows to the journal. A flow waits for its next instant in one line with one timer: those
/// where nothing is due cost nothing. Every node watches all flows; whose share a flow is looks at once, the others a little
/// later, and what two of them see is told once by its key in the store.
#pragma once

#include "scheduler/catalogue.hpp"
#include "scheduler/clock.hpp"
#include "scheduler/event_hub.hpp"
#include "scheduler/runner.hpp"
#include "scheduler/schedules.hpp"
#include "scheduler/store/breaches.hpp"

#include <map>
#include <set>
#include <string>

namespace millrace {

class ExpectationWatch {
public:
    /// On the runner's loop; all of them outlive it. It hears of them what runs do, and when the flows were read anew.
    ExpectationWatch(Clock& clock, Database& database, Catalogue& catalogue, Schedules& schedules, Runner& runner, Journal& journal,
                     EventHub& events);

    /// A run of the flow began or ended, or is driven here now.
    void look_soon(const std::string& flow);
    void stop();

    /// Flows of which something is not as expected, as this node saw them last: {flows_late, flows_stale, flows_rows_out_of_range}.
    [[nodiscard]] Json figures() const;

private:
    struct Watched {
        std::string mark; ///< plan and whether its schedules are held: another one is looked at anew
        std::optional<Instant> next;
        Instant looked{};
        bool looking = false, again = false;
        std::set<std::string> broken; ///< kinds
    };
    /// Looks at flows that are new or changed.
    void follow();
    [[nodiscard]] boost::asio::awaitable<void> follow_flows();
    void line_up(const std::string& flow, std::optional<Instant> at);
    void arm();
    void look_at_due();
    [[nodiscard]] boost::asio::awaitable<void> look(std::vector<std::string> flows);
    void look_at(const DeployedFlow& flow, StoredFacts stored, Instant now);
    void name_rows(FlowFacts& facts, const std::vector<StoredFacts::Rows>& rows) const;
    void add_jitter(FlowFacts& facts) const;
    void tell_runner(const FlowFacts& facts, const Judgement& judgement);

    Clock& clock_;
    Database& database_;
    Catalogue& catalogue_;
    Schedules& schedules_;
    Runner& runner_;
    Journal& journal_;
    EventHub& events_;
    std::map<std::string, Watched> flows_; ///< those that expect something, or of which something is still told
    std::set<std::pair<Instant, std::string>> line_;
    Clock::TimerId timer_ = 0;
    bool stopped_ = false;
    bool looking_failed_ = false; ///< the last look did: it is told, and not again until one succeeded
};

} // namespace millrace
