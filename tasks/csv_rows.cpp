#include "tasks/csv_rows.hpp"

#include "connectors/duckdb/query_error.hpp"
#include "connectors/sql_identifier.hpp"
#include "flows/counted.hpp"
#include "flows/error.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fstream>
#include <regex>

namespace millrace {
namespace {

constexpr const char* dialect = R"(header = true, delim = ',', quote = '"', escape = '"', comment = '', skip = 0, strict_mode = true)";
constexpr std::size_t longest_header = 1 << 20; ///< bytes

/// The fields of the first line.
std::vector<std::string> header_of(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::string text(longest_header, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
    if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
    if (text.empty() || text[0] == '\n' || text[0] == '\r')
        throw Error(ErrorClass::BadData, "the CSV that the command wrote has no header",
                    "write the names of the columns into its first line, also where there are no rows");
    std::vector<std::string> names(1);
    bool quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '"' && quoted && text.compare(i + 1, 1, "\"") == 0)
            names.back() += text[i++];
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '\n' || c == '\r'))
            break;
        else if (!quoted && c == ',')
            names.emplace_back();
        else
            names.back() += c;
    }
    return names;
}

std::string columns_sql(std::vector<std::string> names) {
    std::string out;
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (names[i].empty()) names[i] = "column" + std::to_string(i); // as DuckDB calls it
        if (std::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(i), names[i]) !=
            names.begin() + static_cast<std::ptrdiff_t>(i))
            throw Error(ErrorClass::BadData, "the header of the CSV that the command wrote has '" + names[i] + "' twice",
                        "give each column a name of its own");
        out += (out.empty() ? "" : ", ") + quote_identifier(names[i]) + ": 'VARCHAR'";
    }
    return "{" + out + "}";
}

} // namespace

CsvRows::CsvRows(duckdb::Connection& db, const std::string& path, const std::vector<ColumnSpec>& columns)
    : db_(db), strict_(fmt::format("read_csv({}, {}, auto_detect = false, columns = {})", quote_literal(path), dialect,
                                   columns_sql(header_of(path)))),
      sql_(columns.empty() ? fmt::format("read_csv({}, {}, sample_size = -1)", quote_literal(path), dialect) : strict_) {}

void CsvRows::explain() const {
    try {
        db_.query("SELECT count(*) FROM " + strict_);
    } catch (const duckdb::QueryError& e) {
        const std::string said = e.what();
        std::smatch line, fields;
        if (!std::regex_search(said, line, std::regex(R"(CSV Error on Line: (\d+))"))) return;
        const std::string what = std::regex_search(said, fields, std::regex(R"(Expected Number of Columns: (\d+) Found: (\d+))"))
                                     ? fmt::format("has {}, and its header {}", counted(std::stoll(fields[2]), "field"), fields[1].str())
                                 : said.find("unterminated quote") != std::string::npos ? "opens a quote that is never closed"
                                                                                        : "is not understood";
        throw Error(ErrorClass::BadData, fmt::format("line {} of the CSV that the command wrote {}", line[1].str(), what),
                    "fields have commas between them; one with a comma, a line break or a quote stands in double quotes, a quote in it "
                    "doubled");
    }
}

} // namespace millrace
