/// Who goes next when many wait: start-time fair queuing (Goyal, Vin, Cheng: Start-time Fair Queuing, SIGCOMM 1996). Flows take
/// turns, however much each has waiting; one of weight 4 has four turns for one of weight 1, so that a low weight waits longer
/// and never for ever. Within a flow the order is that of arrival. Values only, no clock: a turn is a turn.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

namespace millrace {

template <class Item>
class FairLine {
public:
    void join(const std::string& flow, double weight, Item item) {
        double& next = next_.try_emplace(flow, now_).first->second;
        const double turn = std::max(now_, next);
        next = turn + 1 / weight;
        line_.emplace(Place{turn, -weight, ++arrivals_}, std::move(item));
    }
    /// For who had a turn already and comes back.
    void join_first(Item item) { line_.emplace(Place{now_, -most_weight, ++arrivals_}, std::move(item)); }

    [[nodiscard]] bool empty() const { return line_.empty(); }

    /// Of a line that is not empty.
    Item take() {
        const auto first = line_.begin();
        now_ = first->first.turn;
        Item item = std::move(first->second);
        line_.erase(first);
        if (line_.empty()) {
            now_ = 0;
            next_.clear();
        }
        return item;
    }

private:
    static constexpr double most_weight = 1e9;
    struct Place {
        double turn, order; ///< at the same turn the heavier goes first
        std::uint64_t arrival;
        friend auto operator<=>(const Place&, const Place&) = default;
    };
    std::map<Place, Item> line_;
    std::map<std::string, double> next_; ///< when a flow's next item has its turn
    double now_ = 0;
    std::uint64_t arrivals_ = 0;
};

} // namespace millrace
