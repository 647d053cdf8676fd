/// What parse_yaml looks at beside the grammar: bytes, tabs, and yaml-cpp's errors in our words. Only for yaml.cpp.
#pragma once

#include "flows/diagnostic.hpp"

#include <optional>

namespace millrace {

/// Size, UTF-8, NUL and other control characters. False: an error was reported and parsing is pointless.
[[nodiscard]] bool check_bytes(const SourceText& source, Diagnostics& diagnostics, std::size_t most_bytes);

/// Reports lines that are indented with tabs or no-break spaces, outside of block scalars. True: there was one.
[[nodiscard]] bool check_indentation(const SourceText& source, Diagnostics& diagnostics);

void report_yaml_error(const std::string& message, Mark mark, Diagnostics& diagnostics);

/// The ':' when "key:value" stands at `mark`, which YAML takes for one text.
[[nodiscard]] std::optional<Mark> glued_colon_at(Mark mark, const Diagnostics& diagnostics);
void report_glued(Mark colon, Diagnostics& diagnostics);

/// Reports the text of the `|` or `>` that ends this line when it is no further indented. True: so it is.
bool report_unindented_block(int number, Diagnostics& diagnostics);

/// The length in bytes of the quoted scalar that begins at `mark`, nothing when its quote is never closed (which yaml-cpp
/// accepts at the end of a file).
[[nodiscard]] std::optional<int> quoted_length(const SourceText& source, Mark mark);

} // namespace millrace
