#include "flows/yaml.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace millrace {
namespace {

/// "-12", "0.50"; not "010", "1e3", ".5", "0x1F".
bool is_plain_number(std::string_view text) {
    if (text.starts_with('-')) text.remove_prefix(1);
    const auto whole = std::min(text.find('.'), text.size());
    const auto digits = [](std::string_view part) {
        return !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
    };
    if (!digits(text.substr(0, whole)) || (whole > 1 && text[0] == '0')) return false;
    return whole == text.size() || digits(text.substr(whole + 1));
}

Json scalar_value(const YamlNode& node) {
    if (node.style != YamlNode::Style::Plain) return node.text;
    if (node.text == "true") return true;
    if (node.text == "false") return false;
    if (!is_plain_number(node.text)) return node.text;
    const char* end = node.text.data() + node.text.size();
    std::int64_t whole = 0;
    if (const auto r = std::from_chars(node.text.data(), end, whole); r.ec == std::errc() && r.ptr == end) return whole;
    double number = 0;
    const bool fraction = node.text.find('.') != std::string::npos;
    if (const auto r = std::from_chars(node.text.data(), end, number); fraction && r.ec == std::errc() && r.ptr == end) return number;
    return node.text;
}

constexpr std::string_view blanks = " \t\r\n";
constexpr std::size_t longest_walk = 50'000; ///< bytes of text; a place is not worth more time

/// The byte of the source behind the text's first `offset` bytes, or npos. Folding changes nothing but blanks and quotes
/// nothing but quotes and escapes, so the other characters are met in the order of the text.
std::size_t byte_in_source(const YamlNode& scalar, std::size_t offset, std::string_view source, std::size_t at) {
    const char quote = scalar.style == YamlNode::Style::Quoted ? source[at - 1] : ' ';
    for (std::size_t i = 0;; ++i) {
        const bool blank = i < scalar.text.size() && blanks.find(scalar.text[i]) != std::string_view::npos;
        if (blank && i < offset) continue;
        if (!blank) at = std::min(source.find_first_not_of(blanks, at), source.size());
        if (i == offset) return at;
        const bool escaped = (quote == '\'' && source.substr(at, 2) == "''") || (quote == '"' && source.substr(at, 1) == "\\");
        at += escaped ? 1 : 0;
        if (at >= source.size() || i >= scalar.text.size() || source[at] != scalar.text[i])
            return std::string_view::npos; // an escape for another character
        ++at;
    }
}

/// Of every scalar but `|`.
Mark mark_of_folded(const YamlNode& scalar, std::size_t offset, std::size_t length, const SourceText& source) {
    const auto line = source.line(scalar.mark.line);
    const auto column = static_cast<std::size_t>(scalar.mark.column - 1) + (scalar.style == YamlNode::Style::Quoted ? 1 : 0);
    const auto size = static_cast<int>(std::max<std::size_t>(length, 1));
    if (column > line.size()) return scalar.mark;
    if (line.substr(column, scalar.text.size()) == scalar.text) return {scalar.mark.line, static_cast<int>(column + offset) + 1, size};
    if (scalar.text.size() > longest_walk) return scalar.mark;
    const auto first = scalar.style == YamlNode::Style::Folded ? source.line(scalar.mark.line + 1).data() : line.data() + column;
    const auto from = first == nullptr ? std::string_view::npos : static_cast<std::size_t>(first - source.text().data());
    const auto at = from > source.text().size() ? from : byte_in_source(scalar, offset, source.text(), from);
    if (at == std::string_view::npos || at >= source.text().size()) return scalar.mark;
    auto mark = source.mark_at(at);
    mark.length = size;
    return mark;
}

} // namespace

Json to_json_value(const YamlNode& node) {
    switch (node.kind) {
    case YamlNode::Kind::Null: return nullptr;
    case YamlNode::Kind::Scalar: return scalar_value(node);
    case YamlNode::Kind::List: {
        Json list = Json::array();
        for (const auto& item : node.items) list.push_back(to_json_value(item));
        return list;
    }
    case YamlNode::Kind::Map: break;
    }
    Json map = Json::object();
    for (const auto& [key, mark, value] : node.entries) map[key] = to_json_value(value);
    return map;
}

Mark mark_inside(const YamlNode& scalar, std::size_t offset, std::size_t length, const SourceText& source) {
    const auto& text = scalar.text;
    offset = std::min(offset, text.size());
    if (scalar.style != YamlNode::Style::Block) return mark_of_folded(scalar, offset, length, source);
    // A block scalar: line n of the text is line n below the '|', without the indentation of its first line with text.
    int number = scalar.mark.line + 1;
    std::size_t from = 0;
    for (auto end = text.find('\n'); end != std::string::npos && end < offset; end = text.find('\n', from)) {
        from = end + 1;
        ++number;
    }
    const auto line = source.line(number);
    const auto end = std::min(text.find('\n', from), text.size());
    const auto content = std::string_view(text).substr(from, end - from);
    const auto indent = line.size() >= content.size() ? line.size() - content.size() : 0;
    const auto rest = content.size() - std::min(offset - from, content.size());
    return {number, static_cast<int>(indent + (offset - from)) + 1, static_cast<int>(std::max<std::size_t>(std::min(length, rest), 1))};
}

} // namespace millrace
