#include "tasks/csv_rows.hpp"

#include "connectors/duckdb/query_error.hpp"
#include "flows/error.hpp"
#include "flows/letters.hpp"
#include "flows/source_text.hpp"
#include "flows/sql_identifier.hpp"
#include "tasks/csv_form.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fstream>

namespace millrace {
namespace {

// Several readers at once cannot read a file with many line breaks in quotes, DuckDB says.
constexpr const char* dialect =
    R"(header = true, delim = ',', quote = '"', escape = '"', comment = '', skip = 0, strict_mode = true, parallel = false)";
constexpr std::size_t usual_longest_row = 2'000'000, usual_buffer = 32'000'000; ///< bytes, of DuckDB
constexpr std::int64_t most_columns = 1'000'000;
constexpr const char* text_type = "VARCHAR";

/// With names for those that have none.
std::vector<std::string> names_of(std::vector<std::string> header) {
    for (std::size_t i = 0; i < header.size(); ++i) {
        if (header[i].empty()) header[i] = "column" + std::to_string(i); // as DuckDB calls it
        const auto here = header.begin() + static_cast<std::ptrdiff_t>(i);
        const auto same = std::find_if(header.begin(), here, [&](const std::string& n) { return lower_case(n) == lower_case(*here); });
        if (same == here) continue;
        const std::string what =
            *same == *here ? fmt::format("'{}' twice", *here) : fmt::format("'{}' and '{}', which are one name in SQL", *same, *here);
        throw Error(ErrorClass::BadData, "the header of the CSV that the command wrote has " + what, "give each column a name of its own");
    }
    return header;
}

std::string reader_sql(const std::string& path, const CsvForm& form, const std::string& more) {
    std::string sizes;
    if (const std::size_t row = form.longest_row + 2; row > usual_longest_row) // a line end takes two
        sizes = fmt::format(", max_line_size = {}, buffer_size = {}", row, std::max(row, usual_buffer));
    return fmt::format("({}, {}{}, {})", quote_literal(path), dialect, sizes, more);
}

/// The file as texts: an empty field is NULL, one in quotes is the empty text.
std::string texts_sql(const std::string& path, const CsvForm& form, const std::vector<std::string>& names) {
    std::string columns;
    for (const std::string& name : names) columns += (columns.empty() ? "" : ", ") + quote_identifier(name) + ": 'VARCHAR'";
    return "read_csv" + reader_sql(path, form, "auto_detect = false, allow_quoted_nulls = false, columns = {" + columns + "}");
}

/// What a column is read as: a text, or what DuckDB makes of `text`.
struct Reading {
    std::string type, format; ///< `format`: of a date or time that is not written as ISO 8601 says
};

/// Of each column in its place. DuckDB tells the types from all rows; to it "" is NULL, as it is for all types but a text.
std::vector<Reading> guess(duckdb::Connection& db, const std::string& path, const CsvForm& form) {
    std::vector<Reading> out;
    const std::string sql = "SELECT unnest(Columns, recursive := true), DateFormat AS date_format, TimestampFormat AS timestamp_format "
                            "FROM sniff_csv" +
                            reader_sql(path, form, "sample_size = -1");
    for (const Json& column : db.query(sql).rows(most_columns)) {
        const auto type = column.at("type").get<std::string>();
        const Json& format = type == "DATE" ? column.at("date_format") : type == "TIMESTAMP" ? column.at("timestamp_format") : Json();
        out.push_back({type, format.is_string() ? format.get<std::string>() : ""});
    }
    return out;
}

/// The contract judges texts.
std::vector<Reading> declared(const std::vector<std::string>& names, const std::vector<ColumnSpec>& columns) {
    std::vector<Reading> out;
    for (const std::string& name : names) {
        const auto spec =
            std::find_if(columns.begin(), columns.end(), [&](const ColumnSpec& c) { return lower_case(c.name) == lower_case(name); });
        out.push_back({spec == columns.end() ? text_type : spec->type, ""});
    }
    return out;
}

std::string fields_sql(const std::vector<std::string>& names, const std::vector<Reading>& readings, bool judged) {
    std::string out;
    for (std::size_t i = 0; i < names.size(); ++i) {
        const std::string name = quote_identifier(names[i]), text = "nullif(" + name + ", '')";
        const auto& [type, format] = i < readings.size() ? readings[i] : Reading{text_type, ""};
        out += (i == 0 ? "" : ", ") + (type == text_type ? name
                                       : judged          ? text
                                       : format.empty()  ? "CAST(" + text + " AS " + type + ")"
                                                         : "CAST(strptime(" + text + ", " + quote_literal(format) + ") AS " + type + ")");
        if (type != text_type) out += " AS " + name;
    }
    return out;
}

} // namespace

CsvRows::CsvRows(duckdb::Connection& db, const std::string& path, const std::vector<ColumnSpec>& columns) : path_(path) {
    const CsvForm form = form_of_csv(path);
    const std::vector<std::string> names = names_of(form.header);
    if (form.mixed_ends) unify_line_ends(path);
    const bool judged = !columns.empty();
    try {
        const std::vector<Reading> readings = judged ? declared(names, columns) : guess(db, path, form);
        sql_ = "(SELECT " + fields_sql(names, readings, judged) + " FROM " + texts_sql(path, form, names) + ")";
    } catch (const duckdb::QueryError&) {
        explain();
        throw;
    }
}

void CsvRows::explain() const {
    std::ifstream in(path_, std::ios::binary);
    std::size_t number = 0;
    for (std::string line; std::getline(in, line);)
        if (++number; invalid_utf8(line) != std::string::npos)
            throw Error(ErrorClass::BadData, fmt::format("line {} of the CSV that the command wrote has bytes that are no UTF-8", number),
                        "write it in UTF-8");
}

} // namespace millrace
