/// Where the parts of a flow are written, for messages. No part of what the flow is: plan_hash leaves it out.
#pragma once

#include "flows/json.hpp"

#include <map>
#include <string>

namespace millrace {

struct TaskOrigin {
    std::string file; ///< as messages show it; empty: unknown
    int line = 0;     ///< of its verb
    int sql_line = 0; ///< of the first line of a transform's or wait's SQL, whose lines are lines of the file; 0: there is no such SQL
    std::map<std::string, int> columns{}; ///< of the contract: the line of each
};

struct Origins {
    std::map<std::string, TaskOrigin> tasks;    ///< by name
    std::map<std::string, std::string> sources; ///< by type: where its spec is corrected, in words
};
MILLRACE_JSON(TaskOrigin)
MILLRACE_JSON(Origins)

/// "flows/hours.yaml:7"; empty where nobody knows.
[[nodiscard]] std::string to_text(const TaskOrigin& origin);
/// The same of a column of the contract; empty where nobody knows.
[[nodiscard]] std::string place_of_column(const TaskOrigin& origin, const std::string& column);
/// The same of line `n`, 1-based, of that SQL.
[[nodiscard]] std::string place_of_sql(const TaskOrigin& origin, int n);

/// `message` with the place of its task, where neither it nor its `remedy` names the file.
[[nodiscard]] std::string with_place(const std::string& message, const std::string& remedy, const TaskOrigin& origin);

} // namespace millrace
