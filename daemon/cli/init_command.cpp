/// `millrace init [DIR]`: a project that runs against the sandbox.
#include "daemon/cli/commands.hpp"

#include "flows/error.hpp"

#include <fmt/format.h>

#include <fstream>
#include <iostream>

namespace millrace {
namespace fs = std::filesystem;
namespace {

struct ProjectFile {
    const char* name;
    const char* text;
};

constexpr ProjectFile files[] = {
    {"millrace.yaml", R"(# The project. Every key is optional; `millrace flows schema` tells an editor what a flow may hold.
flows: [flows]            # folders of flow files, with those below: deployed at start and by `millrace deploy`
state: .millrace          # locks, socket, private PostgreSQL, datasets and logs of runs
listen: 127.0.0.1:8687    # API and dashboard; 8686 is left to deploy/quickstart and the service

# Secrets stay outside: ${secret.NAME} is read from the environment, from .env beside this file, or from systemd.
# The connection `clockify` needs no entry where CLOCKIFY_API_KEY and CLOCKIFY_WORKSPACE_ID are set; another workspace would be:
# connections:
#   agency_b: {type: clockify, api_key: "${secret.CLOCKIFY_B_KEY}", workspace_id: "..."}
)"},
    {".gitignore", ".env\n.millrace/\n"},
    {"flows/tags.yaml", R"(# The tags of a Clockify workspace, in the warehouse. Try it:
#   millrace up --demo                 (in another terminal: private PostgreSQL, sandbox, daemon, dashboard)
#   millrace deploy                    (after every change of a flow; `up` does it once, at its start)
#   millrace run tags --wait
#   millrace psql -c 'select * from demo.tags'
flow: tags
description: Tags of the workspace
schedule: {cron: "0 5 * * 1"}

tasks:
  fetched:
    extract: clockify.tags

  named:
    transform: select id, name, archived from fetched
    columns:
      id: text unique
      name: text check (name <> '')
      archived: boolean

  warehouse:
    load: named
    into: warehouse.demo.tags
    mode: upsert
    key: id
)"},
};

/// The millrace.yaml of a folder above; empty: there is none.
std::string project_around(const fs::path& root) {
    std::error_code ignored;
    for (fs::path at = fs::weakly_canonical(fs::absolute(root, ignored), ignored).parent_path(); !at.empty(); at = at.parent_path()) {
        if (fs::exists(at / "millrace.yaml", ignored)) return (at / "millrace.yaml").string();
        if (at == at.parent_path()) break;
    }
    return "";
}

int init(Cli& cli, const std::string& folder) {
    const fs::path root = folder.empty() ? "." : folder;
    for (const auto& file : files)
        if (fs::exists(root / file.name) && std::string(file.name) != ".gitignore")
            throw UsageError(fmt::format("{} is already there", (root / file.name).string()), "choose another folder: millrace init DIR");
    if (const auto around = project_around(root); !around.empty())
        std::cerr << "millrace: note: this folder is inside another project, that of " << around
                  << ", whose daemon does not read the flows of this one\n";
    Json written = Json::array();
    for (const auto& file : files) {
        const auto path = root / file.name;
        if (fs::exists(path)) continue;
        fs::create_directories(path.parent_path());
        std::ofstream stream(path);
        stream << file.text;
        stream.close();
        if (!stream) throw Error(ErrorClass::Permanent, path.string() + " cannot be written", "check the folder's permissions");
        written.push_back(path.lexically_normal().string());
    }
    if (cli.json) {
        Cli::print(written);
        return exit_done;
    }
    for (const auto& path : written) std::cout << "wrote " << path.get<std::string>() << '\n';
    std::cout << "\nNext:\n";
    if (!folder.empty() && folder != ".")
        std::cout << "  cd " << (folder.find(' ') == std::string::npos ? folder : "'" + folder + "'") << '\n';
    std::cout << "  millrace up --demo          # leave it running, go on in another terminal, in this folder\n"
                 "  millrace deploy             # after every change of a flow\n"
                 "  millrace run tags --wait\n"
                 "  millrace psql -c 'select * from demo.tags'\n";
    return exit_done;
}

} // namespace

void add_init_command(CLI::App& app, Cli& cli) {
    auto folder = std::make_shared<std::string>();
    auto* command = app.add_subcommand("init", "A project with a first flow that runs against the sandbox");
    command->add_option("DIR", *folder, "where (default: here)")->type_name("");
    on_call(command, cli, [&cli, folder] { return init(cli, *folder); });
}

} // namespace millrace
