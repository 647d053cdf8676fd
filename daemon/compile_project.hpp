/// From the flow files of a project to plans and diagnostics: reads the files, asks a millrace-host about the SQL. Blocking;
/// serve calls it on a worker thread, the command line directly. No daemon and no database is needed.
#pragma once

#include "daemon/settings.hpp"
#include "flows/compile.hpp"
#include "scheduler/ports.hpp"
#include "web/api/api.hpp"

#include <boost/asio/thread_pool.hpp>

#include <filesystem>
#include <memory>
#include <vector>

namespace millrace {

/// Texts that are in no file yet. `file` of the diagnostics is `path` as given.
[[nodiscard]] CompileResult compile_texts(const Configuration& configuration, const std::vector<FlowFile>& files);

/// Throws Error{Permanent} for a file that cannot be read.
[[nodiscard]] CompileResult compile_files(const Configuration& configuration, const std::vector<std::filesystem::path>& files);

/// The two ports through which the engine and the web layer compile, on a thread of their own, one at a time.
class ProjectCompiler final : public FlowFolders, public FlowValidator {
public:
    explicit ProjectCompiler(Settings& settings) : settings_(settings) {}
    ~ProjectCompiler() override { worker_.join(); }

    /// Starts the host of the next compile(), so that it is warm by then.
    void prepare();
    [[nodiscard]] boost::asio::awaitable<CompiledProject> compile(std::vector<std::string> folders) override;
    [[nodiscard]] bool is_demo(const std::string& folder) const override { return folder == settings_.current()->installation.flows; }
    [[nodiscard]] Json retention() const override { return settings_.current()->project.retention; }
    [[nodiscard]] Json settings() const override { return settings_.describe(); }
    [[nodiscard]] boost::asio::awaitable<Json> validate(std::vector<SourceFile> files) override;

private:
    std::shared_ptr<InferencePort> take_host(const Configuration& configuration);

    Settings& settings_;
    std::shared_ptr<class InferenceHost> prepared_; ///< of the worker's thread
    boost::asio::thread_pool worker_{1};
};

} // namespace millrace
