/// What a person sees of runs under way: on a terminal one block that is drawn again and again, elsewhere a line for every
/// change. Pure but for the stream: it is given the documents, it asks nobody.
#pragma once

#include "daemon/cli/fetch_run.hpp"
#include "daemon/cli/terminal.hpp"
#include "flows/json.hpp"
#include "flows/time.hpp"

#include <map>
#include <ostream>
#include <string>
#include <vector>

namespace millrace {

class RunView {
public:
    RunView(std::ostream& out, const Terminal& terminal) : out_(out), terminal_(terminal) {}

    void show(const std::vector<RunDocument>& runs, Instant now);
    /// A line of its own; a block on the terminal is drawn anew below it.
    void note(const std::string& text);

private:
    /// The last line that was written.
    struct Told {
        std::string news, detail;
        Instant at{};
    };

    void draw(const std::vector<RunDocument>& runs, Instant now);
    void tell_changes(const RunDocument& run, Instant now);
    void tell(const std::string& key, const std::string& subject, const Json& document, const std::string& detail, Instant now);

    std::ostream& out_;
    const Terminal& terminal_;
    int drawn_lines_ = 0;              ///< of the block on the terminal
    std::map<std::string, Told> told_; ///< by subject
};

/// What a task run is doing or did, in few words: "12 requests, 3,400 records, slice 3 of 28", "412 rows", the error, how
/// to decide an approval.
[[nodiscard]] std::string task_detail(const Json& run, const Json& task_run);
/// What a run loaded, or why it is where it is.
[[nodiscard]] std::string run_detail(const Json& run);

/// The failure of this task run is told, whole and with its remedy, by the outcome of `run`, which did not complete: lists need not.
[[nodiscard]] bool outcome_tells(const Json& run, const Json& task_run);

/// After the end: what was loaded, what failed and why, what to do next.
void write_outcome(std::ostream& out, const Terminal& terminal, const std::vector<RunDocument>& runs);

} // namespace millrace
