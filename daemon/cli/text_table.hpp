/// A table as people read it: aligned columns under a header, numbers to the right. On a terminal it fits the width: the last
/// column is shortened, then columns are left out, then the other texts are shortened. Elsewhere all of it is written.
#pragma once

#include "daemon/cli/terminal.hpp"

#include <ostream>
#include <string>
#include <vector>

namespace millrace {

class TextTable {
public:
    enum class Align { Left, Right };
    struct Column {
        std::string title;
        Align align = Align::Left; ///< what stands to the right is a number, and is never shortened
        int spare = 0;             ///< where it is narrow, the highest is left out first; 0: never
    };
    struct Cell {
        Cell(std::string content, Paint p = Paint::None) : text(std::move(content)), paint(p) {}
        Cell(const char* content, Paint p = Paint::None) : text(content), paint(p) {}
        std::string text; ///< made printable when it is written
        Paint paint;
    };

    explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}

    /// As many cells as there are columns.
    void add(std::vector<Cell> cells) { rows_.push_back(std::move(cells)); }
    [[nodiscard]] bool is_empty() const { return rows_.empty(); }

    /// Where a column is left out on a terminal, the header ends with an ellipsis.
    void write(std::ostream& out, const Terminal& terminal) const;

private:
    [[nodiscard]] std::vector<int> widths(int room) const;

    std::vector<Column> columns_;
    std::vector<std::vector<Cell>> rows_;
};

/// The widths in which columns fit into `room`, given those that they would like to have; 0 of what is left out. More than there
/// is room for only where shorter texts would say nothing.
[[nodiscard]] std::vector<int> fitted_widths(const std::vector<TextTable::Column>& columns, std::vector<int> widths, int room);

} // namespace millrace
