#include "flows/yaml_checks.hpp"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace millrace {
namespace {

struct Translation {
    std::string_view theirs; ///< how yaml-cpp's message begins
    const char* message;
    const char* hint;
};

constexpr std::array<Translation, 24> translations{{
    {"illegal map value", "a ':' is not allowed here", "text with ': ' in it needs quotes; a new key needs a line of its own"},
    {"end of map not found", "this line does not fit the indentation of the lines above it",
     "keys of one mapping begin in the same column"},
    {"end of sequence not found", "this line does not fit the list above it", "entries of one list begin with '- ' in the same column"},
    {"end of sequence flow not found", "a '[' is not closed", "add the missing ']'"},
    {"end of map flow not found", "a '{' is not closed", "add the missing '}'"},
    {"illegal block entry", "a '- ' is not allowed here", "a list begins on a line of its own"},
    {"illegal flow end", "a ']' or '}' without its opening bracket", "remove it, or put the text in quotes"},
    {"unknown token", "this character cannot begin a value", "put the text in quotes"},
    {"illegal EOF in scalar", "a quoted text is not closed", "add the missing quote"},
    {"illegal document indicator in scalar", "a quoted text is not closed before the end of the document", "add the missing quote"},
    {"unknown escape character", "this escape is unknown", "write the backslash twice, or use single quotes"},
    {"the referenced anchor is not defined", "this alias names an anchor that does not exist", "text that begins with '*' needs quotes"},
    {"alias not found after *", "a '*' without a name", "text that begins with '*' needs quotes"},
    {"anchor not found after &", "a '&' without a name", "text that begins with '&' needs quotes"},
    {"illegal character found while scanning", "no name of an alias or anchor may hold this character",
     "text that begins with '*' or '&' needs quotes"},
    {"aliases can't have any content", "an alias stands alone", "text that begins with '*' needs quotes"},
    {"cannot assign multiple", "a value has one tag, anchor or alias at most", "text that begins with '!', '&' or '*' needs quotes"},
    {"bad character found while scanning hex", "this escape is unknown", "write the backslash twice, or use single quotes"},
    {"invalid unicode", "this escape stands for no character", "write the backslash twice, or use single quotes"},
    {"unexpected character in block scalar", "behind '|' or '>' the line ends", "begin the text on the next line, further indented"},
    {"cannot set zero indentation", "a block of text cannot have the indentation 0", "write '|' alone"},
    {"illegal tab", "a tab is used to indent this line", "indent with spaces"},
    {"bad file", "values are nested too deeply", "check the brackets and the indentation"},
    {"illegal map key", "a key is not allowed here", "check the indentation"},
}};

/// The width of the indentation, in characters.
std::size_t indent_of(std::string_view line) { return std::min(line.find_first_not_of(" \t"), line.size()); }

/// True when the line ends in `|` or `>` with its modifiers: what follows, further indented, is text.
bool opens_block(std::string_view line) {
    if (const auto comment = line.find(" #"); comment != std::string_view::npos) line = line.substr(0, comment);
    while (!line.empty() && (line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
    while (!line.empty() && (line.back() == '-' || line.back() == '+' || (line.back() >= '1' && line.back() <= '9'))) line.remove_suffix(1);
    if (line.empty() || (line.back() != '|' && line.back() != '>')) return false;
    return line.size() == 1 || line[line.size() - 2] == ' ';
}

/// The bracket before `end` that is not closed, as far as a scan without YAML's grammar can tell; `end` when there is none.
Mark last_open_bracket(const SourceText& source, char open, char close, Mark end) {
    std::vector<Mark> unclosed;
    std::size_t block_indent = std::string_view::npos;
    char quote = 0;
    for (int number = 1; number <= end.line; ++number) {
        const auto line = source.line(number);
        const auto indent = indent_of(line);
        if (indent == line.size() || (quote == 0 && block_indent != std::string_view::npos && indent > block_indent)) continue;
        block_indent = opens_block(line) ? indent : std::string_view::npos;
        for (std::size_t i = indent; i < line.size(); ++i) {
            const char before = i > 0 ? line[i - 1] : ' ';
            if (quote != 0)
                quote = line[i] == quote ? 0 : quote;
            else if (line[i] == '#' && before == ' ')
                break;
            else if ((line[i] == '"' || line[i] == '\'') && (before == ' ' || before == '[' || before == '{' || before == ','))
                quote = line[i];
            else if (line[i] == open)
                unclosed.push_back({number, static_cast<int>(i) + 1, 1});
            else if (line[i] == close && !unclosed.empty())
                unclosed.pop_back();
        }
    }
    return unclosed.empty() ? end : unclosed.back();
}

/// The quote that begins a value above `mark` and closes right before it, in another line: it was meant to close where it began.
std::optional<Mark> quote_from_above(const SourceText& source, Mark mark) {
    std::size_t block_indent = std::string_view::npos;
    std::size_t from = 0; ///< in the line, behind a quote that closed there
    for (int number = 1; number < mark.line; ++number) {
        auto line = source.line(number);
        const auto indent = indent_of(line);
        if (from == 0 && (indent == line.size() || (block_indent != std::string_view::npos && indent > block_indent))) continue;
        block_indent = opens_block(line) ? indent : std::string_view::npos;
        for (std::size_t i = std::exchange(from, 0); i < line.size(); ++i) {
            const auto before = line.substr(0, i).find_last_not_of(' ');
            const bool at_value =
                before == std::string_view::npos || std::string_view(":-[{,").find(line[before]) != std::string_view::npos;
            if (line[i] == '#' && (i == 0 || line[i - 1] == ' ')) break;
            if ((line[i] != '"' && line[i] != '\'') || !at_value) continue;
            const Mark open{number, static_cast<int>(i) + 1, 1};
            const auto length = quoted_length(source, open);
            if (!length) return std::nullopt; // told where it is read
            const auto end =
                source.mark_at(static_cast<std::size_t>(line.data() - source.text().data()) + i + static_cast<std::size_t>(*length));
            if (end.line == number) {
                i += static_cast<std::size_t>(*length) - 1;
                continue;
            }
            if (end.line == mark.line && end.column <= mark.column + 1) return open;
            from = static_cast<std::size_t>(end.column) - 1;
            number = end.line - 1;
            break;
        }
    }
    return std::nullopt;
}

/// The length of the name that the line begins with, behind spaces and "- ", when a ':' follows it; `name` is where it begins.
std::size_t key_length(std::string_view line, std::size_t& name) {
    name = indent_of(line);
    if (line.substr(name).starts_with("- ")) name = std::min(line.find_first_not_of(' ', name + 1), line.size());
    auto end = name;
    while (end < line.size() && (std::isalnum(static_cast<unsigned char>(line[end])) || line[end] == '_')) ++end;
    return end < line.size() && line[end] == ':' ? end - name : 0;
}

bool is_key_line(std::string_view line) {
    std::size_t name = 0;
    const auto length = key_length(line, name);
    return length > 0 && (name + length + 1 >= line.size() || line[name + length + 1] == ' ');
}

/// The ':' of "key:value", which YAML reads as one text. Not of "https://" and "id::text".
std::optional<Mark> glued_colon(std::string_view line, int number) {
    std::size_t name = 0;
    const auto length = key_length(line, name);
    const auto behind = name + length + 1;
    if (length == 0 || behind >= line.size() || std::string_view(" :,}\t").find(line[behind]) != std::string_view::npos ||
        line.substr(behind).starts_with("//"))
        return std::nullopt;
    return Mark{number, static_cast<int>(behind), 1};
}

/// A mistake in the lines above that explains why YAML stumbles here.
bool report_slip_above(int number, Diagnostics& diagnostics) {
    const auto& source = diagnostics.source();
    for (int above = number; above >= std::max(1, number - 30); --above)
        if (report_unindented_block(above, diagnostics)) return true;
    for (int above = number - 1; above >= 1 && !is_key_line(source.line(above)); --above)
        if (const auto colon = glued_colon(source.line(above), above)) {
            report_glued(*colon, diagnostics);
            return true;
        }
    return false;
}

bool report_size(const SourceText& source, Diagnostics& diagnostics, std::size_t most_bytes) {
    const auto size = source.text().size();
    if (size <= most_bytes) return false;
    diagnostics.error({},
                      fmt::format("the file has {:.1f} MB; more than {:.1f} MB is not read", static_cast<double>(size) / 1e6,
                                  static_cast<double>(most_bytes) / 1e6),
                      "split it; data belongs in a file of its own, not in YAML");
    return true;
}

} // namespace

/// No text has so many more opening than closing brackets, and yaml-cpp's scanner would keep a token for each.
constexpr int most_open_brackets = 2000;
/// YAML's own rule for keys without quotes.
constexpr std::size_t longest_key = 1024;

bool check_bytes(const SourceText& source, Diagnostics& diagnostics, std::size_t most_bytes) {
    const auto& text = source.text();
    if (report_size(source, diagnostics, most_bytes)) return false;
    if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) {
        diagnostics.error({}, "the file is UTF-16", "save it as UTF-8");
        return false;
    }
    if (const auto at = invalid_utf8(text); at != std::string_view::npos) {
        diagnostics.error(source.mark_at(at), fmt::format("byte 0x{:02X} is not UTF-8", static_cast<unsigned char>(text[at])),
                          "save the file as UTF-8");
        return false;
    }
    int open = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        open += c == '[' || c == '{' ? 1 : c == ']' || c == '}' ? -1 : 0;
        if (open > most_open_brackets) {
            diagnostics.error(source.mark_at(i), "brackets are nested too deeply here", "check that every '[' and '{' is closed");
            return false;
        }
        if (c == '\r' && (i + 1 == text.size() || text[i + 1] != '\n')) {
            diagnostics.error(source.mark_at(i), "a line ends in a carriage return alone", "end lines with a line feed");
            return false;
        }
        const bool c1 = c == 0xC2 && static_cast<unsigned char>(text[i + 1]) < 0xA0 && text[i + 1] != '\x85';
        if (c1) {
            diagnostics.error(
                source.mark_at(i),
                fmt::format("a control character (U+{:04X}) is not allowed in a file", static_cast<unsigned char>(text[i + 1])),
                "remove it, or write it as an escape in double quotes");
            return false;
        }
        if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F) {
            diagnostics.error(source.mark_at(i), fmt::format("a control character (0x{:02X}) is not allowed in a file", c),
                              "remove it, or write it as an escape in double quotes");
            return false;
        }
    }
    return true;
}

void report_glued(Mark colon, Diagnostics& diagnostics) {
    diagnostics.error(colon, "a space is missing behind this ':'",
                      "a key, a ':', a space, the value; text with a ':' in it may stand in quotes");
}

std::optional<Mark> glued_colon_at(Mark mark, const Diagnostics& diagnostics) {
    const auto line = diagnostics.source().line(mark.line);
    const auto start = std::min(static_cast<std::size_t>(std::max(mark.column - 1, 0)), line.size());
    auto colon = glued_colon(line.substr(start), mark.line);
    if (colon) colon->column += static_cast<int>(start);
    return colon;
}

bool report_unindented_block(int number, Diagnostics& diagnostics) {
    const auto& source = diagnostics.source();
    const auto opener = source.line(number);
    int next = number + 1;
    while (next <= source.lines() && indent_of(source.line(next)) == source.line(next).size()) ++next;
    const auto line = source.line(next);
    const auto indent = indent_of(line);
    if (!opens_block(opener) || next > source.lines() || indent > indent_of(opener)) return false;
    if (is_key_line(line) || line[indent] == '-' || line[indent] == '#') return false; // the text is left empty
    diagnostics.error({next, static_cast<int>(indent) + 1, 1},
                      fmt::format("this text belongs to line {} and does not stand further to the right", number),
                      "indent it below its key");
    return true;
}

bool check_indentation(const SourceText& source, Diagnostics& diagnostics) {
    bool found = false;
    std::size_t block_indent = std::string_view::npos; // of the line that opened a block scalar
    for (int number = 1; number <= source.lines(); ++number) {
        const auto line = source.line(number);
        const auto indent = indent_of(line);
        if (indent == line.size()) continue;
        if (block_indent != std::string_view::npos && indent > block_indent) continue;
        block_indent = opens_block(line) ? indent : std::string_view::npos;
        const auto tab = line.substr(0, indent).find('\t');
        if (!found && line.substr(indent).starts_with("\xC2\xA0")) {
            diagnostics.error({number, static_cast<int>(indent) + 1, 2}, "a no-break space is used to indent this line",
                              "indent with plain spaces");
            found = true;
        }
        if (tab == std::string_view::npos || line[indent] == '#') continue;
        if (!found) diagnostics.error({number, static_cast<int>(tab) + 1, 1}, "a tab is used to indent this line", "indent with spaces");
        found = true;
    }
    return found;
}

void report_yaml_error(const std::string& message, Mark mark, Diagnostics& diagnostics) {
    // Where the file ends too early the place is one line beyond it.
    if (mark.line > diagnostics.source().lines()) {
        mark.line = diagnostics.source().lines();
        mark.column = static_cast<int>(diagnostics.source().line(mark.line).size()) + 1;
    }
    if (const auto open = quote_from_above(diagnostics.source(), mark))
        return diagnostics.error(*open, fmt::format("a quoted text begins here, and ends only in line {}", mark.line),
                                 "close the quote where the text ends");
    if (!message.starts_with("unknown escape") && report_slip_above(mark.line, diagnostics)) return;
    const auto before = diagnostics.source().line(mark.line).substr(0, static_cast<std::size_t>(std::max(mark.column - 1, 0)));
    const bool escape = message.starts_with("bad character found while scanning hex") || message.starts_with("invalid unicode") ||
                        message.starts_with("unknown escape");
    if (const auto backslash = before.rfind('\\'); escape && backslash != std::string_view::npos)
        mark.column = static_cast<int>(backslash) + 1;
    if (message.starts_with("illegal map value") && before.size() > longest_key)
        return diagnostics.error({mark.line, 1, 1}, "a key has at most 1024 characters", "text this long belongs in quotes, behind a key");
    const auto from = diagnostics.source().line(mark.line).substr(before.size());
    if (message.starts_with("end of") && from.size() > 1 && from[0] == '-' && from[1] != ' ' && from[1] != '-')
        return diagnostics.error(mark, "a space is missing behind this '-'", "an entry of a list is '- ' and its value");
    if (message.starts_with("end of map not found") && indent_of(before) < before.size())
        return diagnostics.error(mark, "this text stands behind a value that has ended",
                                 before.ends_with('\'')
                                     ? "an apostrophe within single quotes is written twice, or the text stands in double ones"
                                     : "put the whole value in quotes; a new key needs a line of its own");
    if (message.starts_with("end of sequence flow")) mark = last_open_bracket(diagnostics.source(), '[', ']', mark);
    if (message.starts_with("end of map flow")) {
        mark = last_open_bracket(diagnostics.source(), '{', '}', mark);
        const auto line = diagnostics.source().line(mark.line);
        if (mark.column > 1 && line.substr(0, static_cast<std::size_t>(mark.column)).ends_with("${")) // yaml-cpp ends the text before it
            return diagnostics.error(mark, "between { and } a text with ${...} needs quotes", "write \"${name}\"");
    }
    for (const auto& t : translations)
        if (message.starts_with(t.theirs)) return diagnostics.error(mark, t.message, t.hint);
    diagnostics.error(mark, "this is no YAML: " + message);
}

std::optional<int> quoted_length(const SourceText& source, Mark mark) {
    const auto& text = source.text();
    const auto start = static_cast<std::size_t>(source.line(mark.line).data() - text.data() + mark.column - 1);
    for (auto i = start + 1; i < text.size(); ++i) {
        if (text[start] == '"' && text[i] == '\\')
            ++i;
        else if (text[i] == text[start] && text[start] == '\'' && i + 1 < text.size() && text[i + 1] == '\'')
            ++i;
        else if (text[i] == text[start])
            return static_cast<int>(i - start + 1);
    }
    return std::nullopt;
}

} // namespace millrace
