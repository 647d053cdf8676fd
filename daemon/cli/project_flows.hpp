/// Flow files as the command line names them: single files, or all of the project's folders.
#pragma once

#include "daemon/cli/terminal.hpp"
#include "daemon/configuration.hpp"
#include "flows/compile.hpp"
#include "flows/json.hpp"

#include <ostream>
#include <string>
#include <vector>

namespace millrace {

class Cli;

/// A name that means a file rather than a deployed flow: it ends in .yaml or .yml, or holds a slash.
[[nodiscard]] bool is_flow_file(const std::string& name);

/// Those of the project's folders. Throws Error{Permanent} for a folder that cannot be read.
[[nodiscard]] std::vector<std::filesystem::path> project_flow_files(const Configuration& configuration);

/// A folder stands for the flow files in it; without files those of the project's folders. Throws UsageError when there is none.
[[nodiscard]] CompileResult compile_named_files(const Configuration& configuration, const std::vector<std::string>& files);

/// What to say of the project's file of a deployed flow that says something else than what is deployed: it was written later, or
/// the daemon has that name from another folder. Empty: there is none. `flow` is the flow's document of the API.
[[nodiscard]] std::string told_of_file_ahead(const Configuration& configuration, const Json& flow);

/// Whether the daemon of this project took its millrace.yaml before this text was written. `settings` is of the API's doctor.
[[nodiscard]] bool settings_are_ahead(const Configuration& configuration, const Json& settings);

/// Says on stderr that what runs is not what told_of_file_ahead() finds, or not with this millrace.yaml. Never fails.
void note_file_ahead(Cli& cli, const Json& flow);

/// A diagnostic as the API gives it, with its line of the file where that can be read here.
[[nodiscard]] Diagnostic with_source_line(const Json& document);

void write_diagnostic(std::ostream& out, const Terminal& terminal, const Diagnostic& diagnostic);

/// Each with its source line and a caret, and how many mistakes there are.
void write_diagnostics(std::ostream& out, const Terminal& terminal, const std::vector<Diagnostic>& diagnostics);

} // namespace millrace
