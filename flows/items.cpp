#include "flows/items.hpp"

#include "flows/counted.hpp"

#include <fmt/format.h>

#include <unordered_set>

namespace millrace {

std::string item_text(const Json& item) { return item.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::int64_t take_out_repeated(std::vector<Json>& items) {
    std::unordered_set<std::string> seen;
    return static_cast<std::int64_t>(std::erase_if(items, [&](const Json& item) { return !seen.insert(item_text(item)).second; }));
}

std::string told_of_repeated_items(std::int64_t repeated) {
    return fmt::format("{} of `for_each` {} another row again: each is done once (`select distinct` leaves them out)",
                       counted(repeated, "row"), repeated == 1 ? "is" : "are");
}

} // namespace millrace
