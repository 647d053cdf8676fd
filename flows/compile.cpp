#include "flows/compile.hpp"

#include "flows/compiler/draft.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>

namespace millrace {
namespace {

/// The specs that the flow's extracts may need at run time: of the types that their connections have, or, where any
/// connection may be given, of every source with that resource.
void embed_sources(const Draft& draft, CompileScope& scope, FlowPlan& plan) {
    const SourceText nowhere("", "");
    Diagnostics ignored(nowhere); // the checks have reported already
    CompileScope quiet{scope.project, scope.sources, nullptr, ignored};
    for (const auto& task : draft.tasks) {
        const auto* extract = std::get_if<ExtractOptions>(&task.options);
        if (extract == nullptr) continue;
        const auto connection = resolve_connection(extract->connection, {}, draft, quiet);
        if (!connection) continue;
        for (const auto& [type, spec] : scope.sources) {
            const bool has = std::any_of(spec.resources.begin(), spec.resources.end(),
                                         [&](const ResourceSpec& r) { return r.name == extract->resource; });
            if (!has || (!connection->types.contains(type) && !connection->open)) continue;
            plan.sources[type] = spec;
            plan.origins.sources[type] = place_of(spec);
        }
    }
}

void note_origins(Draft& draft, const CompileScope& scope) {
    const auto& file = scope.diagnostics.source().file();
    for (const auto& task : draft.tasks) {
        TaskOrigin origin{file, task.object_mark.line > 0 ? task.object_mark.line : task.mark.line, 0};
        const auto* sql = task.piece(task.plan.verb == Verb::Wait ? "wait" : "");
        const bool by_lines = sql != nullptr && (sql->node->style == YamlNode::Style::Block || sql->sql.find('\n') == std::string::npos);
        if (by_lines) origin.sql_line = scope.mark_in(*sql, 0, 1).line;
        for (const auto& [column, mark] : task.column_marks) origin.columns[column] = mark.line;
        draft.plan.origins.tasks[task.plan.name] = std::move(origin);
    }
}

/// One file on its way to a plan. Its text, tree and draft live as long as somebody may point into them.
struct Compilation {
    explicit Compilation(const FlowFile& file) : source(file.path, file.text), diagnostics(source), root(parse_yaml(source, diagnostics)) {
        if (root) draft = parse_flow(*root, diagnostics);
    }

    SourceText source;
    Diagnostics diagnostics;
    std::optional<YamlNode> root;
    std::optional<Draft> draft;
};
using Compilations = std::vector<std::unique_ptr<Compilation>>;

Compilations parse_all(const std::vector<FlowFile>& files, FlowGraph& graph) {
    Compilations out;
    for (const auto& file : files) {
        const auto& parsed = *out.emplace_back(std::make_unique<Compilation>(file));
        if (parsed.draft)
            graph.add(*parsed.draft);
        else
            graph.add_unreadable();
    }
    return out;
}

void check(Draft& draft, CompileScope& scope) {
    check_references(draft, scope);
    describe_extracts(draft, scope);
    infer(draft, scope);
    check_connections(draft, scope);
    check_deletes(draft, scope);
    check_columns(draft, scope);
    check_sums(draft, scope);
    add_limits(draft, scope);
    order_tasks(draft, scope);
    note_origins(draft, scope);
}

/// flow -> file, of the files that are called like their flow: where two declare one flow, the other one is the mistake.
std::map<std::string, std::string> files_of_their_name(const std::vector<FlowFile>& files) {
    std::map<std::string, std::string> out;
    for (const auto& file : files) {
        const auto begin = file.path.rfind('/') + 1; // npos + 1 is 0
        auto stem = file.path.substr(begin, file.path.rfind('.') - begin);
        const auto line = "flow: " + stem;
        const bool is_it = file.text.starts_with(line + "\n") || file.text.find("\n" + line + "\n") != std::string::npos;
        if (is_it) out.emplace(std::move(stem), file.path);
    }
    return out;
}

} // namespace

CompileResult compile(const std::vector<FlowFile>& files, const Project& project, const Sources& sources, InferencePort* inference,
                      const std::vector<FlowFile>& beside) {
    CompileResult result;
    auto named = files_of_their_name(files);
    FlowGraph graph;
    const auto compilations = parse_all(files, graph);
    const auto others = parse_all(beside, graph);
    for (const auto& compilation : compilations) {
        auto& [source, diagnostics, root, draft] = *compilation;
        CompileScope scope{project, sources, inference, diagnostics};
        if (draft) check(*draft, scope), graph.check(*draft, diagnostics);
        if (draft && !draft->plan.name.empty()) {
            const auto first = named.emplace(draft->plan.name, source.file()).first;
            if (first->second != source.file())
                diagnostics.error(draft->name_mark, fmt::format("a flow called '{}' is already in {}", draft->plan.name, first->second),
                                  "flows of one project have different names");
        }
        if (draft && !diagnostics.has_errors()) {
            embed_sources(*draft, scope, draft->plan);
            auto hash = plan_hash(draft->plan);
            result.flows.push_back({source.file(), draft->plan, std::move(hash)});
        }
        const auto found = diagnostics.sorted();
        result.diagnostics.insert(result.diagnostics.end(), found.begin(), found.end());
    }
    return result;
}

} // namespace millrace
