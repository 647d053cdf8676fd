/// What the command line knows about where its output goes. Colour and redrawing are for terminals only; NO_COLOR and
/// TERM=dumb are honoured, COLUMNS too.
#pragma once

#include <string>
#include <string_view>

namespace millrace {

enum class Paint { None, Bold, Dim, Red, Green, Yellow, Blue };

struct Terminal {
    bool is_terminal = false; ///< lines may be redrawn
    bool colour = false;
    int width = 0; ///< columns; 0: lines may have any length

    [[nodiscard]] std::string painted(std::string_view text, Paint paint) const;
};

[[nodiscard]] Terminal terminal_of(int descriptor);

/// The colour of a state of runs and task runs.
[[nodiscard]] Paint paint_of(std::string_view state);

/// Columns that UTF-8 text takes, escape sequences not counted.
[[nodiscard]] int display_width(std::string_view text);
/// At most `width` columns; what is cut off is shown by an ellipsis. The text holds no escape sequences.
[[nodiscard]] std::string shortened(const std::string& text, int width);
/// Without what a terminal would act on: text from an API may hold escape sequences.
[[nodiscard]] std::string printable(std::string_view text);

} // namespace millrace
