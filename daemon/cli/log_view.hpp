/// The log of a run as a person reads it: the day and its zone once, a heading where a task is tried again, a remedy below its
/// error. Pure but for the stream: it is given the lines in their order.
#pragma once

#include "daemon/cli/terminal.hpp"
#include "flows/json.hpp"

#include <map>
#include <ostream>
#include <set>
#include <string>

namespace millrace {

class LogView {
public:
    enum class Tasks { Shown, Hidden }; ///< the name of its task run before each line; that of a mapped one always

    LogView(std::ostream& out, const Terminal& terminal, Tasks tasks) : out_(out), terminal_(terminal), tasks_(tasks) {}

    /// What follows is of this run: its `tasks` say how often each was tried so far.
    void of(const Json& run);
    void show(const Json& line);

private:
    void begin_day(const std::string& at);
    void begin_attempt(const Json& line, const std::string& time);

    std::ostream& out_;
    const Terminal& terminal_;
    Tasks tasks_;
    std::string day_;                              ///< of the last line, with its zone
    std::map<std::string, std::int64_t> attempts_; ///< of a task run of this run, as far as known
    std::set<std::string> begun_;                  ///< attempts of this run with a line
};

} // namespace millrace
