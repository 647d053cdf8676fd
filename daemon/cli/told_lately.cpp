#include "daemon/cli/told_lately.hpp"

#include "daemon/cli/format.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace millrace {

/// Whole lines, also on a terminal: they end with what to do.
void write_told_lately(std::ostream& out, const Terminal& terminal, const Json& events, const std::string& of_flow) {
    constexpr std::size_t most = 10;
    if (events.empty()) return;
    out << '\n' << terminal.painted(local_title("told lately"), Paint::Bold) << '\n';
    for (std::size_t i = 0; i < std::min(events.size(), most); ++i) {
        const auto flow = text_of(events[i], "flow");
        out << fmt::format("{}  {:<14} {}{}\n", local_time_text(text_of(events[i], "at")), printable(text_of(events[i], "kind")),
                           flow.empty() || flow == of_flow ? "" : printable(flow) + ": ", printable(text_of(events[i], "message")));
    }
    if (events.size() > most)
        out << fmt::format("and {} more: millrace {} --json\n", events.size() - most, of_flow.empty() ? "doctor" : "flows show " + of_flow);
}

} // namespace millrace
