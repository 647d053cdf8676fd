/// A table as people read it: aligned columns under a header, numbers to the right, cut to the terminal's width.
#pragma once

#include "daemon/cli/terminal.hpp"

#include <ostream>
#include <string>
#include <vector>

namespace millrace {

class Table {
public:
    enum class Align { Left, Right };
    struct Column {
        std::string title;
        Align align = Align::Left;
    };
    struct Cell {
        Cell(std::string content, Paint p = Paint::None) : text(std::move(content)), paint(p) {}
        Cell(const char* content, Paint p = Paint::None) : text(content), paint(p) {}
        std::string text; ///< made printable when it is written
        Paint paint;
    };

    explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

    /// As many cells as there are columns.
    void add(std::vector<Cell> cells) { rows_.push_back(std::move(cells)); }
    [[nodiscard]] bool is_empty() const { return rows_.empty(); }

    /// On a terminal the last column is cut so that a line fits.
    void write(std::ostream& out, const Terminal& terminal) const;

private:
    std::vector<Column> columns_;
    std::vector<std::vector<Cell>> rows_;
};

} // namespace millrace
