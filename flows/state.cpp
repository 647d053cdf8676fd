#include "flows/state.hpp"

#include <array>
#include <stdexcept>
#include <string>
#include <utility>

namespace millrace {
namespace {

struct Row {
    State state;
    std::string_view name;
    unsigned next; ///< bit set of the states that may follow
};

constexpr unsigned bit(State s) { return 1u << static_cast<unsigned>(s); }
template <class... S>
constexpr unsigned any(S... s) {
    return (bit(s) | ...);
}

using enum State;
constexpr unsigned ends = any(Completed, Failed, Crashed, Cancelled, Skipped);

constexpr std::array<Row, 11> table{{
    {Scheduled, "scheduled", any(Pending, Paused, Cancelling, Cancelled, Skipped)},
    {Pending, "pending", any(Running, Paused, Cancelling) | ends},
    {Running, "running", any(Retrying, Paused, Cancelling, Pending) | ends},
    {Retrying, "retrying", any(Running, Pending, Paused, Cancelling) | ends},
    {Paused, "paused", any(Pending, Running, Cancelling) | ends},
    {Cancelling, "cancelling", ends},
    {Completed, "completed", 0},
    {Failed, "failed", 0},
    {Crashed, "crashed", 0},
    {Cancelled, "cancelled", 0},
    {Skipped, "skipped", 0},
}};

constexpr const Row& row(State s) { return table[static_cast<unsigned>(s)]; }

} // namespace

std::string_view to_string(State s) { return row(s).name; }

State state_from(std::string_view name) {
    for (const auto& r : table)
        if (r.name == name) return r.state;
    throw std::invalid_argument("no state is called '" + std::string(name) + "'");
}

bool is_final(State s) { return row(s).next == 0; }
bool may_become(State from, State to) { return (row(from).next & bit(to)) != 0; }

} // namespace millrace
