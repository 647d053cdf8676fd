#include "flows/yaml.hpp"

#include <algorithm>
#include <charconv>
#include <cctype>

namespace millrace {
namespace {

/// "-12", "0.50"; not "010", "1e3", ".5", "0x1F".
bool is_plain_number(std::string_view text) {
    if (text.starts_with('-')) text.remove_prefix(1);
    const auto whole = std::min(text.find('.'), text.size());
    const auto digits = [](std::string_view part) { return !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos; };
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
    if (scalar.style != YamlNode::Style::Block) {
        // Exact when the text stands on its line as it is: no escapes, no line folding.
        const auto line = source.line(scalar.mark.line);
        const auto start = static_cast<std::size_t>(scalar.mark.column - 1) + (scalar.style == YamlNode::Style::Quoted ? 1 : 0);
        if (start > line.size() || line.substr(start, text.size()) != text) return scalar.mark;
        return {scalar.mark.line, static_cast<int>(start + offset) + 1, static_cast<int>(std::max<std::size_t>(length, 1))};
    }
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
