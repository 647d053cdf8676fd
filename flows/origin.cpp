#include "flows/origin.hpp"

namespace millrace {

MILLRACE_JSON_MEMBERS(TaskOrigin, file, line, sql_line)
MILLRACE_JSON_MEMBERS(Origins, tasks, sources)

std::string to_text(const TaskOrigin& origin) {
    if (origin.file.empty()) return {};
    return origin.line > 0 ? origin.file + ":" + std::to_string(origin.line) : origin.file;
}

std::string place_of_sql(const TaskOrigin& origin, int n) {
    if (origin.file.empty() || origin.sql_line <= 0) return to_text(origin);
    return origin.file + ":" + std::to_string(origin.sql_line + n - 1);
}

} // namespace millrace
