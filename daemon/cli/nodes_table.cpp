#include "daemon/cli/nodes_table.hpp"

#include "daemon/cli/format.hpp"

namespace millrace {

TextTable nodes_table(const Json& nodes) {
    using enum TextTable::Align;
    TextTable table({{"node"},
                     {"state"},
                     {"runs", Right},
                     {local_title("started"), Left, 1},
                     {local_title("gone since"), Left, 2},
                     {"version", Left, 3},
                     {"pid", Right, 4}});
    for (const auto& node : nodes) {
        const bool lives = node.value("alive", false);
        table.add({text_of(node, "id"),
                   {lives ? "alive" : "gone", lives ? Paint::Green : Paint::Dim},
                   text_of(node, "runs"),
                   local_time_text(text_of(node, "started_at")),
                   lives ? "" : local_time_text(text_of(node, "lease_until")),
                   text_of(node, "version"),
                   lives ? text_of(node, "pid") : ""});
    }
    return table;
}

} // namespace millrace
