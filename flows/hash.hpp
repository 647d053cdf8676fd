/// SHA-256 as lower-case hex (FIPS 180-4, by OpenSSL): the one content hash of plans, batches and datasets.
#pragma once

#include <string>
#include <string_view>

namespace millrace {
[[nodiscard]] std::string sha256_hex(std::string_view bytes);
} // namespace millrace
