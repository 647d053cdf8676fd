#include "daemon/up.hpp"

#include "daemon/demo_sandbox.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <cstdio>
#include <optional>

namespace fs = std::filesystem;

namespace millrace {
namespace {

void greet(const Configuration& configuration, const UpOptions& options, const std::string& url, std::size_t mistaken_files) {
    fmt::print("\n  Millrace is up{}.\n\n", options.demo ? ", with a sandbox that plays Clockify" : "");
    fmt::print("  dashboard   {}\n", url);
    fmt::print("  flows       millrace flows list\n");
    if (options.demo) fmt::print("  try         millrace run clockify_clients --wait\n");
    fmt::print("  rows        millrace psql\n");
    fmt::print("  state       {}\n\n", configuration.state.string());
    if (mistaken_files > 0)
        fmt::print("  {} flow file{}: of {} nothing was deployed; millrace deploy shows where.\n\n", mistaken_files,
                   mistaken_files == 1 ? " has a mistake" : "s have mistakes", mistaken_files == 1 ? "its folder" : "their folders");
    fmt::print("  Ctrl-C stops it; everything is kept for the next start.\n\n");
    std::fflush(stdout);
}

/// The flows of an earlier demo go with it: they would read a real account and load it over the sandbox's rows.
Configuration without_demo(Configuration configuration) {
    configuration.withdrawn_flows.push_back(configuration.installation.flows);
    return configuration;
}

Configuration with_demo(Configuration configuration) {
    configuration.flows.push_back(configuration.installation.flows);
    // the sandbox stands as many requests as this machine can make
    auto& clockify = configuration.project.connections["clockify"];
    clockify.fields["requests_per_second"] = "1000";
    return configuration;
}

} // namespace

int up(const Settings::Load& load, const UpOptions& options, ServeHooks hooks) {
    const auto with_more = [load, demo = options.demo](const fs::path& file) {
        return demo ? with_demo(load(file)) : without_demo(load(file));
    };
    const auto configuration = with_more({});
    std::optional<DemoSandbox> sandbox;
    if (options.demo) sandbox.emplace(configuration, options.sandbox_arguments, [](const std::string& fact) { spdlog::warn("{}", fact); });
    Settings settings(with_more); // after the sandbox, whose addresses and keys are in our environment now
    hooks.ready = [&](const std::string& url, std::size_t mistaken_files) { greet(configuration, options, url, mistaken_files); };
    return serve(settings, hooks);
}

} // namespace millrace
