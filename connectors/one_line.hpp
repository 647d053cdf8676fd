/// What somebody else said, fit for a message.
#pragma once

#include <string>
#include <string_view>

namespace millrace {

/// Without markup, line breaks and runs of spaces; cut after `longest` bytes, between characters.
[[nodiscard]] std::string one_line(std::string_view text, std::size_t longest);

} // namespace millrace
