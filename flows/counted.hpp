/// Numbers of things as people read them, one form everywhere. Pure.
#pragma once

#include <cstdint>
#include <string>

namespace millrace {

/// 12345678 -> "12,345,678".
[[nodiscard]] std::string count_text(std::int64_t count);

/// "1 row", "12,345 rows", "0 rows": `what` is the singular of a noun that takes an s.
[[nodiscard]] std::string counted(std::int64_t count, const char* what);

} // namespace millrace
