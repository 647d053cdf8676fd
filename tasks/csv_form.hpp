/// The form of a CSV: commas, a first line of names, as many fields in each row, a field in double quotes where it needs them. It is
/// looked at before DuckDB reads the file, which says less of a mistake, and loses rows where the lines do not end alike.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace millrace {

struct CsvForm {
    std::vector<std::string> header;
    std::size_t longest_row = 0; ///< bytes
    bool mixed_ends = false;     ///< some lines end with \r\n, others with \n
};

/// Reads the file once. Throws Error{BadData} with the first line that has not this form.
[[nodiscard]] CsvForm form_of_csv(const std::string& path);
/// Every row of the file ends with \n from now on; what stands in quotes stays as it is.
void unify_line_ends(const std::string& path);

} // namespace millrace
