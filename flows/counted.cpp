#include "flows/counted.hpp"

namespace millrace {

std::string count_text(std::int64_t count) {
    auto digits = std::to_string(count);
    const int first = count < 0 ? 1 : 0;
    for (int place = static_cast<int>(digits.size()) - 3; place > first; place -= 3) digits.insert(static_cast<std::size_t>(place), ",");
    return digits;
}

std::string counted(std::int64_t count, const char* what) { return count_text(count) + " " + what + (count == 1 ? "" : "s"); }

} // namespace millrace
