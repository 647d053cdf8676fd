#include "daemon/cli/text_table.hpp"

#include <algorithm>

namespace millrace {
namespace {

constexpr int gap = 2;            ///< between two columns
constexpr int least_of_last = 20; ///< a time, or the beginning of a sentence
constexpr int least = 12;
constexpr int least_at_first = 17; ///< a time to its minute

std::string spaces(int count) { return std::string(static_cast<std::size_t>(std::max(count, 0)), ' '); }

/// A tab has no width of its own.
std::string shown_text(const std::string& text) {
    auto shown = printable(text);
    std::replace(shown.begin(), shown.end(), '\t', ' ');
    return shown;
}

int line_width(const std::vector<int>& widths) {
    int width = -gap;
    for (const int one : widths) width += one > 0 ? one + gap : 0;
    return width;
}

std::size_t last_shown(const std::vector<int>& widths) {
    auto last = widths.size() - 1;
    while (last > 0 && widths[last] == 0) --last;
    return last;
}

/// Takes from the widest texts of the columns from `first` to `last`, none of which becomes shorter than `shortest`.
void shorten(const std::vector<TextTable::Column>& columns, std::vector<int>& widths, std::size_t first, std::size_t last, int shortest,
             int room) {
    for (int excess = line_width(widths) - room; excess > 0; --excess) {
        int* widest = nullptr;
        for (auto i = first; i <= last; ++i)
            if (columns[i].align == TextTable::Align::Left && widths[i] > (widest ? *widest : shortest)) widest = &widths[i];
        if (!widest) return;
        --*widest;
    }
}

/// The column that is missed least; none where all that are left have to stay.
int* most_spare(const std::vector<TextTable::Column>& columns, std::vector<int>& widths) {
    int* found = nullptr;
    int spare = 0;
    for (std::size_t i = 0; i < widths.size(); ++i)
        if (widths[i] > 0 && columns[i].spare > spare) found = &widths[i], spare = columns[i].spare;
    return found;
}

} // namespace

std::vector<int> fitted_widths(const std::vector<TextTable::Column>& columns, std::vector<int> widths, int room) {
    for (bool whole = true;; whole = false) {
        auto fitted = widths;
        const auto last = last_shown(widths);
        const int left = whole ? room : room - 2; // " …" of the header
        shorten(columns, fitted, last, last, least_of_last, left);
        if (line_width(fitted) <= left) return fitted;
        if (int* column = most_spare(columns, widths)) {
            *column = 0;
            continue;
        }
        for (const int shortest : {least_at_first, least}) {
            shorten(columns, widths, 1, last, shortest, left); // the first says what a line is about
            shorten(columns, widths, 0, last, shortest, left);
        }
        return widths;
    }
}

std::vector<int> TextTable::widths(int room) const {
    std::vector<int> widths;
    for (const auto& column : columns_) widths.push_back(std::max(display_width(column.title), 1));
    for (const auto& row : rows_)
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], display_width(shown_text(row[i].text)));
    return room > 0 ? fitted_widths(columns_, std::move(widths), room) : widths;
}

void TextTable::write(std::ostream& out, const Terminal& terminal) const {
    const auto widths = this->widths(terminal.width);
    const auto last = last_shown(widths);
    const auto write_cell = [&](std::size_t i, const std::string& text, Paint paint) {
        if (widths[i] == 0) return;
        const auto shown = shortened(shown_text(text), widths[i]);
        const auto padding = spaces(widths[i] - display_width(shown));
        const bool right = columns_[i].align == Align::Right;
        out << (i == 0 ? "" : spaces(gap)) << (right ? padding : "") << terminal.painted(shown, paint)
            << (!right && i != last ? padding : "");
    };
    for (std::size_t i = 0; i < columns_.size(); ++i) write_cell(i, columns_[i].title, Paint::Bold);
    out << (std::count(widths.begin(), widths.end(), 0) > 0 ? " …" : "") << '\n';
    for (const auto& row : rows_) {
        for (std::size_t i = 0; i < row.size(); ++i) write_cell(i, row[i].text, row[i].paint);
        out << '\n';
    }
}

} // namespace millrace
