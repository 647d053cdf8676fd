/// The rows of the grammar's tables: one `Field` per key of a mapping.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace millrace {

/// What a value may look like. A field may take several shapes: `Duration | Mapping`.
enum class Shape : std::uint32_t {
    Text = 1u << 0,      ///< any text, no `${}`
    Template = 1u << 1,  ///< text that may hold `${}`
    Name = 1u << 2,      ///< [a-z][a-z0-9_]{0,62}, not reserved
    Task = 1u << 3,      ///< the name of a task of the flow
    Sql = 1u << 4,       ///< SQL, no `${}`
    Whole = 1u << 5,     ///< a whole number, not negative
    Bool = 1u << 6,      ///< true or false
    Duration = 1u << 7,  ///< 90s 5m 2h 7d
    Span = 1u << 8,      ///< a duration, or calendar months and years
    Percent = 1u << 9,   ///< 1%
    Memory = 1u << 10,   ///< 512MB
    Choice = 1u << 11,   ///< one of `choices`
    Moment = 1u << 12,   ///< a date or an RFC 3339 instant
    Texts = 1u << 13,    ///< a list of text; one text is a list of one
    Choices = 1u << 14,  ///< a list of `choices`; one is a list of one
    Tasks = 1u << 15,    ///< a list of tasks; one is a list of one
    Any = 1u << 16,      ///< anything; its strings may hold `${}`
    Mapping = 1u << 17,  ///< a mapping with the keys of `table`
    Mappings = 1u << 18, ///< a list of such mappings
    Named = 1u << 19,    ///< names, each with a mapping of `table`
    Values = 1u << 20,   ///< names, each with anything
    Slots = 1u << 21,    ///< names, each with a whole number
    Strings = 1u << 22,  ///< names, each with text
    ByTable = 1u << 23,  ///< tables, each with what the field takes for one
    False = 1u << 24,    ///< the word false
};

constexpr Shape operator|(Shape a, Shape b) { return static_cast<Shape>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b)); }
constexpr bool has(Shape all, Shape one) { return (static_cast<std::uint32_t>(all) & static_cast<std::uint32_t>(one)) != 0; }

struct Table;

struct Field {
    std::string_view key;
    Shape shape = Shape::Text;
    std::string_view doc;         ///< one sentence for the editor and the reference
    std::string_view choices{};   ///< "queue|skip|allow"
    std::string_view fallback{};  ///< what holds without it, as written in YAML
    std::string_view example{};   ///< a value, as written in YAML
    const Table* table = nullptr; ///< of Mapping, Mappings, Named
    bool required = false;
    bool later = false;               ///< known, but not available yet
    std::string_view later_choices{}; ///< so are these words, where `choices` are available
};

struct Table {
    std::string_view name; ///< of the definition in the schema and of the section in the reference: "schedule"
    std::string_view what; ///< in a sentence: "a schedule"
    std::string_view doc;
    std::span<const Field> fields;
};

[[nodiscard]] inline const Field* find_field(const Table& table, std::string_view key) {
    for (const auto& field : table.fields)
        if (field.key == key) return &field;
    return nullptr;
}

} // namespace millrace
