#include "flows/diagnostic.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace millrace {
namespace {

constexpr std::size_t longest_line = 400; ///< bytes of a source line that are kept; a minified file must not fill the screen

/// Characters (code points) in `bytes`.
int characters(std::string_view bytes) {
    return static_cast<int>(std::count_if(bytes.begin(), bytes.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

const char* name(Severity s) { return s == Severity::Error ? "error" : "warning"; }

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

} // namespace

void to_json(Json& j, const Diagnostic& d) {
    j = {{"file", d.file}, {"line", d.line}, {"column", d.column}, {"severity", name(d.severity)}, {"message", d.message},
         {"hint", d.hint.empty() ? Json() : Json(d.hint)}};
}

std::string to_text(const Diagnostic& d) {
    std::string text = d.file;
    if (d.line > 0) text += fmt::format(":{}:{}", d.line, d.column);
    text += fmt::format(": {}: {}\n", name(d.severity), d.message);
    if (d.line > 0 && !d.source_line.empty()) {
        const int tildes = std::max(0, std::min(d.end, characters(d.source_line) + 1) - d.column - 1);
        text += fmt::format("{:>6} | {}\n       | {}^{}\n", d.line, d.source_line, padding(d.source_line, d.column - 1), std::string(static_cast<std::size_t>(tildes), '~'));
    }
    if (!d.hint.empty()) text += fmt::format("       = {}\n", d.hint);
    return text;
}

bool has_errors(const std::vector<Diagnostic>& diagnostics) {
    return std::any_of(diagnostics.begin(), diagnostics.end(), [](const Diagnostic& d) { return d.severity == Severity::Error; });
}

void Diagnostics::add(Severity severity, Mark mark, std::string message, std::string hint) {
    if (full()) {
        ++dropped_;
        return;
    }
    Diagnostic d{source_.file(), mark.line, 0, 0, severity, std::move(message), std::move(hint), {}};
    if (mark.line > 0) {
        const auto line = source_.line(mark.line);
        const auto first = std::min(static_cast<std::size_t>(std::max(mark.column - 1, 0)), line.size());
        const auto last = std::min(first + static_cast<std::size_t>(std::max(mark.length, 1)), line.size());
        d.column = characters(line.substr(0, first)) + 1;
        d.end = std::max(d.column + characters(line.substr(first, last - first)), d.column + 1);
        // A line that is not text would break the message and its JSON.
        if (invalid_utf8(line) == std::string_view::npos && line.find('\0') == std::string_view::npos && line.size() <= longest_line)
            d.source_line = line;
    }
    found_.push_back(std::move(d));
}

std::vector<Diagnostic> Diagnostics::sorted() const {
    const auto place = [](const Diagnostic& d) { return std::tie(d.line, d.column, d.message, d.hint); };
    auto all = found_;
    std::stable_sort(all.begin(), all.end(), [&](const Diagnostic& a, const Diagnostic& b) { return place(a) < place(b); });
    all.erase(std::unique(all.begin(), all.end(), [&](const Diagnostic& a, const Diagnostic& b) { return place(a) == place(b); }), all.end());
    if (full()) {
        auto more = dropped_ > 0 ? fmt::format("there are at least {} more mistakes", dropped_) : std::string("there may be more mistakes");
        all.push_back({source_.file(), 0, 0, 0, Severity::Error, std::move(more), "mend these first", {}});
    }
    return all;
}

} // namespace millrace
