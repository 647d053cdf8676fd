#include "flows/origin.hpp"

namespace millrace {

MILLRACE_JSON_MEMBERS(TaskOrigin, file, line, sql_line, columns)
MILLRACE_JSON_MEMBERS(Origins, tasks, sources)

std::string to_text(const TaskOrigin& origin) {
    if (origin.file.empty()) return {};
    return origin.line > 0 ? origin.file + ":" + std::to_string(origin.line) : origin.file;
}

std::string place_of_column(const TaskOrigin& origin, const std::string& column) {
    const auto line = origin.columns.find(column);
    return line == origin.columns.end() ? "" : origin.file + ":" + std::to_string(line->second);
}

std::string place_of_sql(const TaskOrigin& origin, int n) {
    if (origin.file.empty() || origin.sql_line <= 0) return to_text(origin);
    return origin.file + ":" + std::to_string(origin.sql_line + n - 1);
}

std::string with_place(const std::string& message, const std::string& remedy, const TaskOrigin& origin) {
    const auto names = [&](const std::string& text) { return text.find(origin.file) != std::string::npos; };
    if (origin.file.empty() || names(message) || names(remedy)) return message;
    return message + " (" + to_text(origin) + ")";
}

} // namespace millrace
