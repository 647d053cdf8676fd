/// What an answer says of the quota of whoever asked: the headers X-RateLimit-*, RateLimit-* and RateLimit. Pure.
#pragma once

#include "flows/time.hpp"

#include <map>
#include <optional>
#include <string>

namespace millrace {

struct ServiceQuota {
    std::optional<std::int64_t> limit;
    std::int64_t left = 0;
    double reset = 0; ///< seconds from `now` until it is whole again; 0: not said, or no more than a year could be meant
};

/// `headers`: names in lower case. Nothing where they do not say how much is left.
[[nodiscard]] std::optional<ServiceQuota> quota_in(const std::map<std::string, std::string>& headers, Instant now);

} // namespace millrace
