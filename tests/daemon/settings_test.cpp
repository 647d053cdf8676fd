#include "daemon/settings.hpp"

#include "flows/error.hpp"
#include "tests/folder.hpp"

#include <catch2/catch.hpp>

using namespace millrace;
using test::Folder;

namespace {

/// `{setting: change}`
std::map<std::string, std::string> changes(const Settings::Fresh& fresh) {
    std::map<std::string, std::string> out;
    for (const auto& change : fresh.changes) out[change.at("setting")] = change.at("change");
    return out;
}

Settings settings_of(const Folder& folder) {
    return Settings([file = folder.path / "millrace.yaml"](const std::filesystem::path&) { return load_configuration(file); });
}

} // namespace

TEST_CASE("a changed millrace.yaml is named by its settings, and counts when it is adopted") {
    const Folder folder;
    folder.write("millrace.yaml",
                 "state: s\nlimits: {a: 1, b: 2}\nconnections:\n"
                 "  left: {type: postgres, url: 'postgresql:///one'}\n  gone: {type: postgres, url: 'postgresql:///two'}\n");
    auto settings = settings_of(folder);
    SettingsConnections connections(settings, "");
    CHECK(changes(settings.read(*settings.current())).empty());

    folder.write("millrace.yaml",
                 "state: s\nlimits: {a: 3}\nretention: {logs: 5d}\nflows: [more]\nconnections:\n"
                 "  left: {type: postgres, url: 'postgresql:///three'}\n  clockify: {type: clockify, api_key: k, workspace_id: w}\n");
    CHECK(settings.describe().at("missing").empty());
    const auto fresh = settings.read(*settings.current());
    CHECK(changes(fresh) == std::map<std::string, std::string>{{"connections.left", "changed"},
                                                               {"connections.clockify", "new"}, // the implied one is no setting
                                                               {"connections.gone", "removed"},
                                                               {"limits.a", "changed"},
                                                               {"limits.b", "removed"},
                                                               {"retention.logs", "new"},
                                                               {"flows", "changed"}});
    CHECK(connections.resolve("left").at("url") == "postgresql:///one");
    settings.adopt(fresh);
    CHECK(connections.resolve("left").at("url") == "postgresql:///three");
    CHECK_THROWS_WITH(connections.resolve("gone"), "there is no connection 'gone'");
    CHECK(changes(settings.read(*settings.current())).empty());
}

TEST_CASE("a secret that changed is told by its connection, without its value, and counts at once") {
    const Folder folder;
    folder.write("millrace.yaml", "state: s\nconnections:\n  left: {type: postgres, url: '${secret.URL_OF_THE_TEST}'}\n"
                                  "  right: {type: postgres, url: 'postgresql:///one'}\n");
    folder.write(".env", "URL_OF_THE_TEST=postgresql:///one\n");
    auto settings = settings_of(folder);
    SettingsConnections connections(settings, "");
    CHECK(changes(settings.read(*settings.current())).empty());

    folder.write(".env", "URL_OF_THE_TEST=postgresql:///two\n");
    CHECK(connections.resolve("left").at("url") == "postgresql:///two");
    const auto fresh = settings.read(*settings.current());
    CHECK(changes(fresh) == std::map<std::string, std::string>{{"secrets.left", "in_force"}});
    CHECK(fresh.changes.dump().find("two") == std::string::npos);
    settings.adopt(fresh);
    CHECK(changes(settings.read(*settings.current())).empty());

    folder.write(".env", "");
    CHECK(changes(settings.read(*settings.current())) == std::map<std::string, std::string>{{"secrets.left", "in_force"}});
    folder.write("millrace.yaml", "state: s\nconnections:\n  left: {type: postgres, url: 'postgresql:///two'}\n"
                                  "  right: {type: postgres, url: 'postgresql:///one'}\n");
    CHECK(changes(settings.read(*settings.current())) == std::map<std::string, std::string>{{"connections.left", "changed"}});
}

TEST_CASE("what only a start can change stays, and is told until then") {
    const Folder folder;
    folder.write("millrace.yaml", "state: s\nlisten: 127.0.0.1:1\n");
    auto settings = settings_of(folder);
    const auto hash = settings.describe().at("hash");
    folder.write("millrace.yaml", "state: other\nlisten: 127.0.0.1:2\ndatabase: 'postgresql:///store'\n");
    const std::map<std::string, std::string> later{
        {"state", "needs_restart"}, {"listen", "needs_restart"}, {"database", "needs_restart"}, {"staging", "needs_restart"}};
    for (int i = 0; i < 2; ++i) {
        const auto fresh = settings.read(*settings.current());
        CHECK(changes(fresh) == later);
        settings.adopt(fresh);
        CHECK(settings.current()->state == folder.path / "s");
        CHECK(settings.current()->listen == "127.0.0.1:1");
        CHECK(settings.current()->database.empty());
    }
    CHECK(settings.describe().at("needs_restart").size() == 4);
    CHECK(settings.describe().at("hash") != hash);
    folder.write("millrace.yaml", "state: s\nlisten: 127.0.0.1:1\n");
    settings.adopt(settings.read(*settings.current()));
    CHECK(settings.describe().at("needs_restart").empty());
    CHECK(settings.describe().at("hash") == hash);
}

TEST_CASE("a millrace.yaml with mistakes changes nothing") {
    const Folder folder;
    folder.write("millrace.yaml", "limits: {a: 1}\n");
    auto settings = settings_of(folder);
    folder.write("millrace.yaml", "limits: {a: 0}\n");
    CHECK_THROWS_AS(settings.read(*settings.current()), Error);
    CHECK(settings.current()->project.limits.at("a") == 1);
}

TEST_CASE("the millrace.yaml that was found first stays the one: when it is away, no other takes its place") {
    const Folder folder;
    std::filesystem::create_directory(folder.path / "project");
    folder.write("project/millrace.yaml", "limits: {a: 1}\n");
    folder.write("millrace.yaml", "limits: {b: 1}\n"); // of the parent: where a search would end
    const auto search = [&] { return folder.path / "project" / "millrace.yaml"; };
    Settings settings([&](const std::filesystem::path& file) {
        const auto found = std::filesystem::exists(search()) ? search() : folder.path / "millrace.yaml";
        return load_configuration(file.empty() ? found : file);
    });
    std::filesystem::rename(search(), folder.path / "away");
    CHECK_THROWS_WITH(settings.read(*settings.current()), Catch::Contains("cannot read " + search().string()));
    CHECK(settings.current()->project.limits.count("a") == 1);
    std::filesystem::rename(folder.path / "away", search());
    CHECK(changes(settings.read(*settings.current())).empty());
}
