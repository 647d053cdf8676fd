/// The JSON documents of the API as tables: what openapi.json says about them and what a test compares answers with.
#pragma once

#include <span>
#include <string_view>

namespace millrace {

/// `type`: string, integer, number, boolean, time (RFC 3339 in UTC), object, any, or the name of a document; "[]" behind it
/// makes a list, "?" says that it may be null, "=" that a request may leave it out.
struct Member {
    std::string_view name;
    std::string_view type;
    std::string_view meaning;
};

/// No members: an object whose members are not promised.
struct Document {
    std::string_view name;
    std::span<const Member> members;
};

[[nodiscard]] std::span<const Document> documents();

} // namespace millrace
