#include "flows/diagnostic.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace millrace {
namespace {

constexpr std::size_t longest_line = 400; ///< bytes of a source line that are shown; a minified file must not fill the screen
constexpr std::size_t shown_before = 60, shown_after = 100; ///< of a longer one, around the mistake

/// Characters (code points) in `bytes`.
int characters(std::string_view bytes) {
    return static_cast<int>(
        std::count_if(bytes.begin(), bytes.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

const char* name(Severity s) { return s == Severity::Error ? "error" : "warning"; }

/// "flows/hours.yaml:14:5: error: 'exract' is no key of a task"
std::string headline(const Diagnostic& d) {
    std::string text = d.file;
    if (d.line > 0) text += fmt::format(":{}", d.line);
    if (d.column > 0) text += fmt::format(":{}", d.column);
    return text + fmt::format(": {}: {}", name(d.severity), d.message);
}

/// Spaces, but tabs where the line has them, so that the caret stands under its character.
std::string padding(const std::string& line, int width) {
    std::string pad;
    for (const char c : line) {
        if (static_cast<int>(pad.size()) >= width) break;
        if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) pad += c == '\t' ? '\t' : ' ';
    }
    pad.resize(static_cast<std::size_t>(width), ' ');
    return pad;
}

/// Bytes of the control character at `i` (a tab is none), 0 when there is none. It could move a terminal's cursor.
std::size_t control_at(std::string_view text, std::size_t i) {
    const auto byte = [&](std::size_t at) { return at < text.size() ? static_cast<unsigned char>(text[at]) : 0u; };
    if ((byte(i) < 0x20 && text[i] != '\t') || byte(i) == 0x7F) return 1;
    return byte(i) == 0xC2 && byte(i + 1) >= 0x80 && byte(i + 1) < 0xA0 ? 2 : 0;
}

bool has_control(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i)
        if (control_at(text, i) != 0) return true;
    return false;
}

std::string without_control(const std::string& text) {
    if (!has_control(text)) return text;
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto control = control_at(text, i);
        out += control == 0 ? text[i] : text[i] == '\n' ? ' ' : '?';
        i += control > 1 ? control - 1 : 0;
    }
    return out;
}

/// Not between the bytes of a character.
std::size_t start_of_character(std::string_view text, std::size_t at) {
    while (at > 0 && at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
    return at;
}

} // namespace

void to_json(Json& j, const Diagnostic& d) {
    j = {{"file", d.file},
         {"line", d.line},
         {"column", d.column},
         {"end", d.end},
         {"severity", name(d.severity)},
         {"message", d.message},
         {"hint", d.hint.empty() ? Json() : Json(d.hint)}};
}

void from_json(const Json& j, Diagnostic& d) {
    const auto text = [&](const char* member, const std::string& fallback) {
        const auto found = j.find(member);
        return found != j.end() && found->is_string() ? found->get<std::string>() : fallback;
    };
    d.file = text("file", d.file);
    d.line = j.value("line", d.line);
    d.column = j.value("column", d.column);
    d.end = j.value("end", d.end);
    d.severity = text("severity", name(d.severity)) == name(Severity::Warning) ? Severity::Warning : Severity::Error;
    d.message = text("message", d.message);
    d.hint = text("hint", d.hint);
}

std::string to_line(const Diagnostic& d) { return headline(d) + (d.hint.empty() ? "" : "; " + d.hint); }

std::string to_text(const Diagnostic& d) {
    std::string text = headline(d) + "\n";
    if (d.line > 0 && d.column == 0 && !d.source_line.empty()) text += fmt::format("{:>6} | {}\n", d.line, d.source_line);
    if (d.line > 0 && d.column > 0 && !d.source_line.empty()) {
        const bool cut = d.skipped > 0;
        const auto shown = (cut ? "..." : "") + d.source_line;
        const int column = d.column - d.skipped + (cut ? 3 : 0), end = d.end - d.column + column;
        const int tildes = std::max(0, std::min(end, characters(shown) + 1) - column - 1);
        text += fmt::format("{:>6} | {}\n       | {}^{}\n", d.line, shown, padding(shown, column - 1),
                            std::string(static_cast<std::size_t>(tildes), '~'));
    }
    if (!d.hint.empty()) text += fmt::format("       = {}\n", d.hint);
    return text;
}

bool has_errors(const std::vector<Diagnostic>& diagnostics) {
    return std::any_of(diagnostics.begin(), diagnostics.end(), [](const Diagnostic& d) { return d.severity == Severity::Error; });
}

void Diagnostics::error_of(Mark mark, const std::string& sentence) {
    const auto end = sentence.find("; ");
    error(mark, sentence.substr(0, end), end == std::string::npos ? "" : sentence.substr(end + 2));
}

void Diagnostics::add(Severity severity, Mark mark, const std::string& message, const std::string& hint) {
    if (full()) {
        ++dropped_;
        return;
    }
    Diagnostic d{source_.file(), mark.line, 0, 0, severity, without_control(message), without_control(hint), {}};
    if (mark.line > 0) {
        const auto line = source_.line(mark.line);
        const auto first = std::min(static_cast<std::size_t>(std::max(mark.column - 1, 0)), line.size());
        const auto last = std::min(first + static_cast<std::size_t>(std::max(mark.length, 1)), line.size());
        d.column = characters_before(mark.line, first) + 1;
        d.end = std::max(d.column + characters(line.substr(first, last - first)), d.column + 1);
        quote_line(d, line, first);
    }
    found_.push_back(std::move(d));
}

int Diagnostics::characters_before(int line, std::size_t byte) {
    if (counted_.line != line || counted_.byte > byte) counted_ = {line, 0, 0};
    counted_.characters += characters(source_.line(line).substr(counted_.byte, byte - counted_.byte));
    counted_.byte = byte;
    return counted_.characters;
}

/// The line, or the part of a long one around the byte `at`. One that is not text would break the message and its JSON.
void Diagnostics::quote_line(Diagnostic& d, std::string_view line, std::size_t at) const {
    std::size_t from = 0;
    if (line.size() > longest_line) {
        from = start_of_character(line, at - std::min(at, shown_before));
        line = line.substr(from, start_of_character(line, std::min(at + shown_after, line.size())) - from);
    }
    if (invalid_utf8(line) != std::string_view::npos || has_control(line)) return;
    d.source_line = line;
    d.skipped = from == 0 ? 0 : d.column - 1 - characters(line.substr(0, at - from));
}

std::vector<Diagnostic> Diagnostics::sorted() const {
    const auto place = [](const Diagnostic& d) { return std::tie(d.line, d.column, d.message, d.hint); };
    auto all = found_;
    std::stable_sort(all.begin(), all.end(), [&](const Diagnostic& a, const Diagnostic& b) { return place(a) < place(b); });
    all.erase(std::unique(all.begin(), all.end(), [&](const Diagnostic& a, const Diagnostic& b) { return place(a) == place(b); }),
              all.end());
    if (full()) {
        auto more = dropped_ > 0 ? fmt::format("there are at least {} more mistakes", dropped_) : std::string("there may be more mistakes");
        all.push_back({source_.file(), 0, 0, 0, Severity::Error, std::move(more), "mend these first", {}});
    }
    return all;
}

} // namespace millrace
