/// YAML as a tree of our own in which every key and value knows its place. Reading is strict where YAML is lax: a key
/// twice, a tab as indentation, a merge key, a tag, a second document are mistakes; `yes` and `010` are text.
/// Limits keep any input to bounded time and memory: see `YamlLimits`.
#pragma once

#include "flows/diagnostic.hpp"

#include <optional>
#include <string>
#include <vector>

namespace millrace {

struct YamlEntry;

struct YamlNode {
    enum class Kind { Null, Scalar, List, Map };
    enum class Style { Plain, Quoted, Block, Folded }; ///< of a scalar; Block is `|`, Folded `>`

    Kind kind = Kind::Null;
    Style style = Style::Plain;
    Mark mark;
    std::string text;               ///< of a scalar
    std::vector<YamlNode> items;    ///< of a list
    std::vector<YamlEntry> entries; ///< of a map, in the order of the file

    [[nodiscard]] bool is_null() const { return kind == Kind::Null; }
    [[nodiscard]] bool is_scalar() const { return kind == Kind::Scalar; }
    [[nodiscard]] bool is_list() const { return kind == Kind::List; }
    [[nodiscard]] bool is_map() const { return kind == Kind::Map; }
    [[nodiscard]] const YamlEntry* find(std::string_view key) const;
};

struct YamlEntry {
    std::string key;
    Mark mark; ///< of the key
    YamlNode value;
};

struct YamlLimits {
    std::size_t bytes = 1'000'000;
    int depth = 60;
    std::size_t nodes = 200'000; ///< with every alias written out
};

/// Nothing when the text is no YAML; then at least one error says why.
[[nodiscard]] std::optional<YamlNode> parse_yaml(const SourceText& source, Diagnostics& diagnostics, const YamlLimits& limits = {});

/// The value as JSON. A plain `true`, `false`, `null`, whole or decimal number keeps its type; everything else, numbers with
/// a leading zero or an exponent among them, is text.
[[nodiscard]] Json to_json_value(const YamlNode& node);

/// The place in the file of a byte of a scalar's text: the scalar's where an escape hides it.
[[nodiscard]] Mark mark_inside(const YamlNode& scalar, std::size_t offset, std::size_t length, const SourceText& source);

} // namespace millrace
