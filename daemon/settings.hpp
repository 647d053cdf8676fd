/// The settings of a running daemon, and how a changed millrace.yaml takes their place: at a deploy, which SIGHUP is too, as a
/// whole or, where it has mistakes, not at all. What only a start can change stays as it was.
#pragma once

#include "daemon/configuration.hpp"

#include <functional>
#include <memory>
#include <string>

namespace millrace {

class Settings {
public:
    /// Reads `file`, or looks for a millrace.yaml where it is empty, and adds what the command line says. Called on any thread.
    /// Throws Error.
    using Load = std::function<Configuration(const std::filesystem::path& file)>;
    explicit Settings(Load load) : load_(std::move(load)), current_(std::make_shared<const Configuration>(load_({}))) {}

    /// Those in force. On the loop's thread; what is returned may be read on any.
    [[nodiscard]] std::shared_ptr<const Configuration> current() const { return current_; }

    struct Fresh {
        std::shared_ptr<const Configuration> configuration;
        Json changes;                   ///< as in CompiledProject::settings
        std::vector<std::string> later; ///< what needs a restart; `configuration` has what `before` has
    };
    /// The file of `before` as it is now, compared with it. Throws Error, also where that file is gone: another one that would
    /// be found instead is that of another project.
    [[nodiscard]] Fresh read(const Configuration& before) const;
    /// Puts it in force and logs the changes. On the loop's thread.
    void adopt(Fresh fresh);

    /// Where the API is served, for describe().
    void serve_at(std::string url) { url_ = std::move(url); }

    /// As FlowFolders::settings().
    [[nodiscard]] Json describe() const;

private:
    Load load_;
    std::shared_ptr<const Configuration> current_;
    std::vector<std::string> later_;
    std::string url_; ///< empty: not yet
};

/// The connections of the settings in force.
class SettingsConnections final : public Connections {
public:
    SettingsConnections(const Settings& settings, std::string warehouse_url)
        : settings_(settings), warehouse_url_(std::move(warehouse_url)) {}

    [[nodiscard]] Json resolve(const std::string& name) override;
    [[nodiscard]] std::optional<std::string> variable(const std::string& name) const override;
    [[nodiscard]] std::vector<std::string> names() const override;

private:
    const Settings& settings_;
    std::string warehouse_url_;
};

} // namespace millrace
