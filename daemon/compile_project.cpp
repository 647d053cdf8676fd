#include "daemon/compile_project.hpp"

#include "daemon/flow_warnings.hpp"
#include "daemon/inference_host.hpp"
#include "flows/error.hpp"
#include "flows/limit_key.hpp"
#include "flows/project_files.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <set>

namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace millrace {
namespace {

template <class Work>
asio::awaitable<std::invoke_result_t<Work&>> invoke(Work work) {
    co_return work();
}

/// Runs blocking `work` on the pool and resumes the caller on its own executor. The work is never interrupted. The empty
/// cancellation slot keeps co_spawn from throwing on the pool's thread (Boost 1.81).
template <class Work>
asio::awaitable<std::invoke_result_t<Work&>> run_blocking(asio::thread_pool& pool, Work work) {
    return asio::co_spawn(pool, invoke(std::move(work)), asio::bind_cancellation_slot(asio::cancellation_slot(), asio::use_awaitable));
}

std::string shown(const fs::path& file) {
    std::error_code ignored;
    const auto relative = fs::relative(file, fs::current_path(ignored), ignored);
    const bool below = !ignored && !relative.empty() && *relative.begin() != "..";
    return below ? relative.string() : file.string();
}

std::vector<FlowFile> read_all(const std::vector<fs::path>& files) {
    std::vector<FlowFile> out;
    for (const auto& file : files) {
        const auto text = read_source_text(file);
        out.push_back({shown(file), text.text()});
    }
    return out;
}

fs::path host_program(const Configuration& configuration) { return configuration.installation.bin / "millrace-host"; }

/// The project's flow files that are none of these. One that cannot be read is none.
std::vector<FlowFile> others_than(const std::vector<FlowFile>& files, const Configuration& configuration) {
    std::vector<FlowFile> out;
    for (const auto& folder : configuration.flows) {
        if (!fs::is_directory(folder)) continue;
        for (const auto& file : yaml_files(folder)) {
            const auto name = shown(file);
            if (std::none_of(files.begin(), files.end(), [&](const FlowFile& f) { return f.path == name; }))
                out.push_back({name, read_source_text(file).text()});
        }
    }
    return out;
}

/// Every flow file in the folder and those below it.
CompiledFolder compile_folder(const Configuration& configuration, const fs::path& folder, InferencePort& inference) {
    const auto files = read_all(yaml_files(folder));
    const auto result =
        millrace::compile(files, configuration.project, configuration.sources, &inference, others_than(files, configuration));
    CompiledFolder out{folder.string(), {}};
    for (const auto& file : files) {
        CompiledFolder::File compiled;
        compiled.flow = fs::path(file.path).stem().string();
        for (const auto& flow : result.flows)
            if (flow.file == file.path) {
                compiled.flow = flow.plan.name;
                compiled.plan = flow.plan;
            }
        for (const auto& diagnostic : result.diagnostics)
            if (diagnostic.file == file.path) compiled.diagnostics.push_back(diagnostic);
        out.files.push_back(std::move(compiled));
    }
    return out;
}

std::vector<CompiledFolder> compile_folders(const Configuration& configuration, const std::vector<std::string>& folders,
                                            InferencePort& inference) {
    std::vector<CompiledFolder> out;
    for (const auto& name : folders) {
        const auto folder = configuration.folder / name;
        if (!fs::is_directory(folder))
            throw Refusal(Refusal::Kind::Invalid, folder.string() + " is no folder",
                          fs::exists(folder) ? "flows are deployed by the folder: name the one that it is in"
                                             : "make it, or take it out of `flows:` in millrace.yaml");
        for (const auto& whole : configuration.flows)
            if (is_within(folder, whole) && !is_within(whole, folder))
                throw Refusal(Refusal::Kind::Invalid, folder.string() + " is in " + whole.string() + ", which is deployed as a whole",
                              "millrace deploy " + whole.string());
        out.push_back(compile_folder(configuration, folder, inference));
    }
    return out;
}

/// The configured folders. One that nobody asked for by name need not exist.
std::vector<std::string> configured_folders(const Configuration& configuration) {
    std::vector<std::string> out;
    for (const auto& folder : configuration.flows)
        if (!configuration.file.empty() || fs::is_directory(folder)) out.push_back(folder.string());
    return out;
}

/// A project may have a copy of a flow of the demo: its own counts.
void leave_out_copied(std::vector<CompiledFolder>& folders, const std::string& demo) {
    std::set<std::string> own;
    for (const auto& folder : folders)
        for (const auto& file : folder.files)
            if (folder.folder != demo && file.plan) own.insert(file.plan->name);
    for (auto& folder : folders)
        if (folder.folder == demo)
            std::erase_if(folder.files, [&](const CompiledFolder::File& file) { return file.plan && own.contains(file.plan->name); });
}

/// Folders that are no longer deployed: of an earlier demo, and those that millrace.yaml named before.
std::vector<std::string> withdrawn(const Configuration& configuration, const Configuration& before) {
    std::vector<std::string> out;
    for (const auto* folders : {&configuration.withdrawn_flows, &before.flows})
        for (const auto& folder : *folders)
            if (std::find(configuration.flows.begin(), configuration.flows.end(), folder) == configuration.flows.end())
                out.push_back(folder.string());
    return out;
}

/// Of all flows: whoever deploys a part of them knows no others. A file with mistakes may be the one that is meant.
void tell_unmet_limits(const Configuration& configuration, CompiledProject& project) {
    std::vector<const FlowPlan*> plans;
    for (const auto& folder : project.folders)
        for (const auto& file : folder.files) {
            if (!file.plan) return;
            plans.push_back(&*file.plan);
        }
    for (const auto& unmet : unmet_limits(configuration.project.limits, plans))
        project.settings.push_back(
            {{"setting", "limits." + unmet.key}, {"change", "unmet"}, {"message", unmet.message}, {"hint", unmet.hint}});
}

Settings::Fresh read_settings(const Settings& settings, const Configuration& before) {
    try {
        return settings.read(before);
    } catch (const Error& e) {
        throw Refusal(Refusal::Kind::Invalid,
                      std::string(e.what()) + "\nNothing was deployed: until it is corrected the daemon keeps the settings that it has.",
                      e.remedy);
    }
}

} // namespace

CompileResult compile_texts(const Configuration& configuration, const std::vector<FlowFile>& files) {
    InferenceHost host(host_program(configuration));
    return millrace::compile(files, configuration.project, configuration.sources, &host, others_than(files, configuration));
}

CompileResult compile_files(const Configuration& configuration, const std::vector<fs::path>& files) {
    return compile_texts(configuration, read_all(files));
}

void ProjectCompiler::prepare() {
    asio::post(worker_, [this, program = host_program(*settings_.current())] {
        try {
            auto host = std::make_shared<InferenceHost>(program);
            host->start();
            prepared_ = std::move(host);
        } catch (const std::exception&) {
            // compile() says why
        }
    });
}

std::shared_ptr<InferencePort> ProjectCompiler::take_host(const Configuration& configuration) {
    auto host = std::exchange(prepared_, nullptr);
    if (!host) host = std::make_shared<InferenceHost>(host_program(configuration));
    asio::post(worker_, [host] {}); // it ends after the work, while nobody waits for that
    return host;
}

asio::awaitable<CompiledProject> ProjectCompiler::compile(std::vector<std::string> folders) {
    auto work = [this, before = settings_.current(), folders = std::move(folders)] {
        auto fresh = read_settings(settings_, *before);
        const auto& configuration = *fresh.configuration;
        CompiledProject project;
        const auto inference = take_host(configuration);
        project.folders = compile_folders(configuration, folders.empty() ? configured_folders(configuration) : folders, *inference);
        leave_out_copied(project.folders, configuration.installation.flows.string());
        for (auto& folder : project.folders)
            for (auto& file : folder.files)
                if (file.plan) warn_of_unset(configuration, file);
        if (folders.empty())
            for (const auto& folder : withdrawn(configuration, *before)) project.folders.push_back({folder, {}});
        project.limits = configuration.project.limits;
        project.settings = fresh.changes;
        if (folders.empty()) tell_unmet_limits(configuration, project);
        project.adopt = [this, fresh = std::move(fresh)] { settings_.adopt(fresh); };
        return project;
    };
    return run_blocking(worker_, std::move(work));
}

asio::awaitable<Json> ProjectCompiler::validate(std::vector<SourceFile> files) {
    auto work = [configuration = settings_.current(), files = std::move(files)] {
        std::vector<FlowFile> texts;
        for (const auto& file : files) texts.push_back({file.name, file.text});
        Json out = Json::array();
        for (const auto& diagnostic : compile_texts(*configuration, texts).diagnostics) out.push_back(diagnostic);
        return out;
    };
    return run_blocking(worker_, std::move(work));
}

} // namespace millrace
