/// From flow files to plans: the one entry point of the compiler. All mistakes of all files come back at once.
///
///     const CompileResult result = compile({{"flows/hours.yaml", text}}, project, sources, &host);
///     for (const auto& d : result.diagnostics) std::cerr << to_text(d);
///
/// A flow with an error has no plan. Pure: files are read by whoever calls (project_files.hpp), SQL is understood by a host.
#pragma once

#include "flows/diagnostic.hpp"
#include "flows/host_message.hpp"
#include "flows/plan.hpp"
#include "flows/project.hpp"

#include <string>
#include <vector>

namespace millrace {

/// Asks a host what the SQL of a flow reads and gives. It is called a few times per flow; it may throw Error when no host
/// answers, which becomes a diagnostic of that file. Calls never overlap.
class InferencePort {
public:
    virtual ~InferencePort() = default;
    [[nodiscard]] virtual InferReply infer(const InferOrder& order) = 0;
};

struct FlowFile {
    std::string path; ///< as messages show it
    std::string text;
};

struct CompiledFlow {
    std::string file;
    FlowPlan plan;
    std::string hash; ///< plan_hash of the plan
};

struct CompileResult {
    std::vector<CompiledFlow> flows;     ///< those without errors, in the order of the files
    std::vector<Diagnostic> diagnostics; ///< errors and warnings, by file, then by place
};

/// Without `inference` the tables that SQL reads are guessed (sql_scan.hpp), and columns are checked only where contracts
/// and source specs say them: good for an editor, while a deploy should always ask a host.
/// `beside`: the project's other flow files, for what the flows of `files` say of them; nothing is reported of those.
[[nodiscard]] CompileResult compile(const std::vector<FlowFile>& files, const Project& project, const Sources& sources,
                                    InferencePort* inference = nullptr, const std::vector<FlowFile>& beside = {});

} // namespace millrace
