#include "daemon/cli/table.hpp"

#include <algorithm>

namespace millrace {
namespace {

constexpr int gap = 2; ///< columns between two columns

std::string spaces(int count) { return std::string(static_cast<std::size_t>(std::max(count, 0)), ' '); }

/// A tab has no width of its own.
std::string shown_text(const std::string& text) {
    auto shown = printable(text);
    std::replace(shown.begin(), shown.end(), '\t', ' ');
    return shown;
}

} // namespace

void Table::write(std::ostream& out, const Terminal& terminal) const {
    std::vector<int> widths;
    for (const auto& column : columns_) widths.push_back(display_width(column.title));
    for (const auto& row : rows_)
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], display_width(shown_text(row[i].text)));

    const auto last = columns_.size() - 1;
    if (terminal.width > 0) {
        int before = 0;
        for (std::size_t i = 0; i < last; ++i) before += widths[i] + gap;
        widths[last] = std::min(widths[last], std::max(terminal.width - before, 8));
    }
    const auto write_cell = [&](std::size_t i, const std::string& text, Paint paint) {
        const auto shown = shortened(shown_text(text), widths[i]);
        const auto padding = spaces(widths[i] - display_width(shown));
        const bool right = columns_[i].align == Align::Right;
        out << (i == 0 ? "" : spaces(gap)) << (right ? padding : "") << terminal.painted(shown, paint)
            << (!right && i != last ? padding : "");
    };
    for (std::size_t i = 0; i < columns_.size(); ++i) write_cell(i, columns_[i].title, Paint::Bold);
    out << '\n';
    for (const auto& row : rows_) {
        for (std::size_t i = 0; i < row.size(); ++i) write_cell(i, row[i].text, row[i].paint);
        out << '\n';
    }
}

} // namespace millrace
