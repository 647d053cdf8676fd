/// What each shape of a value looks like: the text that describes it, the check, and the conversion. Pure.
#pragma once

#include "flows/grammar/field.hpp"
#include "flows/task_options.hpp"
#include "flows/yaml.hpp"

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace {

/// Words that no name may be.
[[nodiscard]] std::span<const std::string_view> reserved_words();

/// Why `text` is no name ("'Hours' is no name"), empty when it is one, and the rule that it breaks.
[[nodiscard]] std::string name_mistake(const std::string& text);
[[nodiscard]] std::string name_rule(const std::string& text);

/// `90s 5m 2h 7d` in seconds. These four throw std::invalid_argument with the sentence to show.
[[nodiscard]] double parse_duration(const std::string& text);
/// "1%" -> 1.0
[[nodiscard]] double parse_percent(const std::string& text);
/// "512MB", "2GiB" in bytes.
[[nodiscard]] std::int64_t parse_memory(const std::string& text);
/// A unit of parse_memory and its bytes: the largest of which `bytes` are a whole number, such as that in which they were written.
[[nodiscard]] std::pair<std::string_view, std::int64_t> memory_unit(std::int64_t bytes);
/// "1%" or "10".
[[nodiscard]] Share parse_share(const std::string& text);

/// "a|b|c" -> its parts.
[[nodiscard]] std::vector<std::string> choices_of(std::string_view choices);

/// What a field takes, in words: "a duration such as 5m, or a mapping".
[[nodiscard]] std::string describe(const Field& field);

struct Mismatch {
    Mark mark;
    std::string message;
    std::string hint;
};

/// Why the value is nothing that the field takes; nothing when it fits. Mappings are not looked into.
[[nodiscard]] std::vector<Mismatch> mismatches(const YamlNode& value, const Field& field);

} // namespace millrace
