/// Messages of libpq have several lines; a log and an answer to a person want one.
#pragma once

#include <algorithm>
#include <string>

namespace millrace {

[[nodiscard]] inline std::string one_line(std::string text) {
    std::replace_if(
        text.begin(), text.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
}

} // namespace millrace
