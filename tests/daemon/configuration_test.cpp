#include "daemon/configuration.hpp"

#include "flows/error.hpp"
#include "tests/folder.hpp"
#include "tests/skip.hpp"

#include <cstdlib>

using namespace millrace;
using test::Folder;
namespace fs = std::filesystem;

namespace {

/// Sets a variable for the life of the object.
class Variable {
public:
    Variable(const char* name, const std::string& value) : name_(name) { setenv(name, value.c_str(), 1); }
    ~Variable() { unsetenv(name_); }
    Variable(const Variable&) = delete;
    Variable& operator=(const Variable&) = delete;

private:
    const char* name_;
};

} // namespace

TEST_CASE("an .env file: comments, export and quotes, a mistake names its line") {
    const auto values = parse_env_file("# keys\nexport A=1\n B = \"two words\" # why\nC='$x'\nD=a#b # c\n\n", ".env");
    CHECK(values == std::map<std::string, std::string>{{"A", "1"}, {"B", "two words"}, {"C", "$x"}, {"D", "a#b"}});
    try {
        (void)parse_env_file("A=1\nnonsense\n", "here/.env");
        FAIL("it was taken");
    } catch (const Error& error) {
        CHECK(std::string(error.what()) == "here/.env:2: this is not NAME=value");
    }
    CHECK(parse_env_file("\xef\xbb\xbf"
                         "A=1\r\n",
                         ".env") == std::map<std::string, std::string>{{"A", "1"}}); // of a Windows editor
    CHECK_THROWS_WITH(parse_env_file("A=\"sec ret\n", ".env"), ".env:1: A: the quote is not closed");
    CHECK_THROWS_WITH(parse_env_file("A='sec'ret\n", ".env"), ".env:1: A: something follows the closing quote");
}

TEST_CASE("a file of secrets that cannot be read is told, since what is in it is not unset") {
    const Folder folder;
    const Secrets secrets(folder.path);
    fs::create_directory(folder.path / ".env"); // root may read any file, but no folder
    CHECK_THROWS_WITH(secrets.find("MR_TEST_KEY"), "cannot read " + (folder.path / ".env").string() + ": Is a directory");
}

TEST_CASE("a secret comes from the environment, a named file, .env or a credential, in that order") {
    const Folder folder;
    const Secrets secrets(folder.path);
    CHECK_FALSE(secrets.find("MR_TEST_KEY"));

    folder.write("MR_TEST_KEY", "from-systemd\n");
    const Variable credentials("CREDENTIALS_DIRECTORY", folder.path.string());
    CHECK(secrets.find("MR_TEST_KEY") == "from-systemd");
    folder.write(".env", "MR_TEST_KEY=from-env-file\n");
    CHECK(secrets.find("MR_TEST_KEY") == "from-env-file");
    folder.write("named", "from-named-file\n");
    const Variable named("MR_TEST_KEY_FILE", (folder.path / "named").string());
    CHECK(secrets.find("MR_TEST_KEY") == "from-named-file");
    const Variable environment("MR_TEST_KEY", "from-environment");
    CHECK(secrets.find("MR_TEST_KEY") == "from-environment");
    CHECK_FALSE(secrets.find("../../etc/passwd"));
}

TEST_CASE("a project's connections are filled in, and what is not set is told by name") {
    const Folder folder;
    folder.write("millrace.yaml", "state: state\nlisten: 127.0.0.1:0\nconnections:\n"
                                  "  agency_b: {type: clockify, api_key: \"${secret.MR_TEST_B}\", workspace_id: abc}\n");
    const auto configuration = load_configuration(folder.path / "millrace.yaml");
    CHECK(configuration.state == folder.path / "state");
    CHECK(configuration.staging == folder.path / "state/staging");
    CHECK(configuration.socket() == folder.path / "state/run/millrace.sock");
    CHECK(configuration.flows == std::vector<fs::path>{folder.path / "flows"});

    CHECK_FALSE(configuration.project.connections.at("agency_b").unset);
    CHECK_FALSE(configuration.project.connections.at("warehouse").unset);
    folder.write(".env", "MONGODB_DATABASE=hours\n");
    const auto with_mongodb = load_configuration(folder.path / "millrace.yaml");
    CHECK_FALSE(with_mongodb.project.connections.at("mongodb").unset);
    CHECK(with_mongodb.project.connections.at("bigquery").unset);
    folder.write(".env", "");

    ConfiguredConnections connections(configuration, "postgresql:///warehouse");
    CHECK(connections.resolve("warehouse")["url"] == "postgresql:///warehouse");
    CHECK_THROWS_WITH(connections.resolve("agency_b"), "the connection 'agency_b' needs MR_TEST_B for its `api_key`, which is not set (" +
                                                           (folder.path / "millrace.yaml").string() + ":4)");
    REQUIRE(connections.lacks().size() == 1);
    CHECK(connections.lacks().front().variable == "MR_TEST_B");
    CHECK(connections.lacks().front().remedy.find("set MR_TEST_B in the environment or in ") == 0);
    CHECK_THROWS_WITH(connections.resolve("agency_c"), "there is no connection 'agency_c'");

    folder.write(".env", "MR_TEST_B=first\n");
    CHECK(connections.resolve("agency_b")["api_key"] == "first");
    CHECK(connections.lacks().empty());
    folder.write(".env", "MR_TEST_B=rotated\n");
    const auto rotated = connections.resolve("agency_b");
    CHECK(rotated["api_key"] == "rotated");
    CHECK(rotated["workspace_id"] == "abc");
    CHECK(rotated["url"] == "https://api.clockify.me/api/v1");
    CHECK(connections.describe().dump().find("rotated") == std::string::npos);
}

TEST_CASE("what a connection lacks is told at once") {
    const Folder folder;
    folder.write("millrace.yaml", "state: state\nconnections:\n"
                                  "  a: {type: clockify, api_key: \"${secret.MR_TEST_A}\", workspace_id: \"${env.MR_TEST_W}\"}\n");
    const auto configuration = load_configuration(folder.path / "millrace.yaml");
    ConfiguredConnections connections(configuration, "");
    try {
        (void)connections.resolve("a");
        FAIL("it lacks nothing");
    } catch (const Error& e) {
        CHECK_THAT(e.what(), Catch::Contains("MR_TEST_A for its `api_key`") && Catch::Contains("MR_TEST_W for its `workspace_id`"));
        CHECK_THAT(e.remedy, Catch::StartsWith("set MR_TEST_A and MR_TEST_W in the environment or in "));
    }
}

TEST_CASE("a project's folder `sources` adds sources, and replaces those of the installation by name") {
    const Folder folder;
    const auto load = [&] { return load_configuration(folder.path / "millrace.yaml").sources; };
    folder.write("millrace.yaml", "state: state\nconnections: {crm: {type: crm, url: \"http://localhost\"}}\n");
    CHECK_THROWS_WITH(load(), Catch::Contains("'crm'"));
    fs::create_directory(folder.path / "sources");
    const std::string rest = "resources:\n  things:\n    path: /things\n    columns: {id: text}\n";
    folder.write("sources/crm.yaml", "source: crm\nconnection: {url: {required: true}}\n" + rest);
    const auto added = load();
    CHECK(added.at("crm").file == (folder.path / "sources/crm.yaml").string());
    CHECK(place_of(added.at("crm")) == added.at("crm").file);
    CHECK_THAT(place_of(added.at("clockify")), Catch::EndsWith("/clockify.yaml at " + (folder.path / "sources/clockify.yaml").string()));
    folder.write("sources/clockify.yaml", "source: clockify\nconnection: {url: {required: true}}\n" + rest);
    const auto replaced = load();
    CHECK(replaced.at("clockify").resources.size() == 1);
    CHECK(place_of(replaced.at("clockify")) == (folder.path / "sources/clockify.yaml").string());
    folder.write("sources/crm.yaml", "source: crm\n" + rest + "    pagging: {}\n");
    CHECK_THROWS_WITH(load(),
                      Catch::StartsWith((folder.path / "sources").string() + " has mistakes:\n") && Catch::Contains("crm.yaml:6:5: "));
}

TEST_CASE("a database's URL that is none is refused without being repeated") {
    CHECK_NOTHROW(check_database_url("postgresql://somebody:hidden@/store?host=/run/postgresql"));
    CHECK_NOTHROW(check_database_url("host=/run/postgresql dbname=store"));
    for (const char* url :
         {"mysql://somebody:hidden@host/store", "hidden", "postgresql://somebody:hidden@host:port:port/store?nonsense=hidden"})
        try {
            check_database_url(url);
            FAIL(url << " was taken");
        } catch (const Error& error) {
            CHECK(std::string(error.what()).find("hidden") == std::string::npos);
            CHECK(error.remedy.find("postgresql://") != std::string::npos);
        }
}

TEST_CASE("connections are described without what may be a secret, and a URL of PostgreSQL without its password only") {
    const Folder folder;
    const auto described = [&](const std::string& connection) -> Json {
        folder.write("millrace.yaml", "state: state\nconnections:\n  it: {" + connection + "}\n");
        const auto configuration = load_configuration(folder.path / "millrace.yaml");
        for (const auto& item : ConfiguredConnections(configuration, "").describe())
            if (item.at("name") == "it") return item.at("fields");
        return {};
    };
    const auto url = [&](const std::string& text, const std::string& type = "postgres") {
        return described("type: " + type + ", url: \"" + text + "\"").at("url").get<std::string>();
    };
    const Variable password("MR_TEST_PASSWORD", "s3cret");

    CHECK(url("host=db user=etl password=s3cret") == "user=etl password=*** host=db");
    CHECK(url("host=db user=etl password=${env.MR_TEST_PASSWORD}") == "user=etl password=*** host=db");
    CHECK(url("postgresql:///db?user=u&password=s3cret") == "user=u password=*** dbname=db");
    CHECK(url("postgresql://u:s3%40cret@db:5433/x") == "user=u password=*** dbname=x host=db port=5433");
    for (const char* open : {"postgresql:///warehouse?host=/run/postgresql", "host=/run/postgresql dbname=x", "postgresql://etl@db/x"})
        CHECK(url(open) == open);
    for (const char* broken : {"postgresql://u:s3@cret@db/x", "postgresql://u:s3/cret@db/x", "postgresql://u:1/s3cret@db/x",
                               "postgresql+psycopg2://u:s3cret@db/x", "host=db password=s3 cret", "host=db dbname='password=s3cret'",
                               "postgresql://u%3As3cret@db/x", "postgresql://u:${secret.MR_TEST_PASSWORD}@db/x", "s3cret"})
        CHECK(url(broken) == "***");

    CHECK(url("mongodb://u:s3cret@db/x", "mongodb") == "***");
    CHECK(url("mongodb://db/x?tls=true", "mongodb") == "mongodb://db/x?tls=true");
    CHECK(url("Server=db;Uid=u;Pwd=s3cret", "sqlserver") == "***");
    CHECK(url("https://hooks.example/?access_token=s3cret", "http") == "***");
    CHECK(url("https://keys.example/?region=eu", "http") == "https://keys.example/?region=eu");
    CHECK(described("type: sqlserver, server: db, user: etl, password: s3cret") ==
          Json{{"server", "db"}, {"user", "etl"}, {"password", "***"}});
    CHECK(described("type: sqlserver, server: db, password: \"${env.MR_TEST_PASSWORD}\"").at("password") == "***");
    CHECK(described("type: bigquery, project: p, credentials: \"/etc/key.json\"") == Json{{"project", "p"}, {"credentials", "***"}});
    CHECK(described("type: clockify, api_key: s3cret, workspace_id: abc, url: \"https://u:s3cret@host/\"") ==
          Json{{"api_key", "***"}, {"workspace_id", "abc"}, {"url", "***"}, {"reports_url", "https://reports.api.clockify.me/v1"}});
}

TEST_CASE("a mistake in millrace.yaml is told with its place") {
    const Folder folder;
    folder.write("millrace.yaml", "lisen: 127.0.0.1:1\n");
    try {
        (void)load_configuration(folder.path / "millrace.yaml");
        FAIL("it was taken");
    } catch (const Error& error) {
        CHECK(std::string(error.what()).find("millrace.yaml:1:1") != std::string::npos);
        CHECK(std::string(error.what()).find("listen") != std::string::npos);
    }
}

TEST_CASE("where the daemon is can be read from a file with mistakes, where it says so: the default may be another project's") {
    const Folder folder;
    const auto file = folder.path / "millrace.yaml";
    folder.write("millrace.yaml", "state: ${env.MR_TEST_STATE}/here\nlisten: 127.0.0.1:1\nconnections: {a: {type: nonsense}}\n");
    const Variable state("MR_TEST_STATE", "kept");
    CHECK_THROWS(load_configuration(file));
    const auto place = load_place(file);
    CHECK(place.file == file);
    CHECK(place.socket() == folder.path / "kept/here/run/millrace.sock");

    const std::string unknown = GENERATE("state: [\n", "state: [here]\n", "sate: here\n", "connections: {a: {type: nonsense}}\n");
    folder.write("millrace.yaml", unknown);
    CHECK_THROWS(load_place(file));
    folder.write(".env", "this is no assignment\n");
    const Variable elsewhere("MILLRACE_STATE", "/elsewhere");
    CHECK(load_place(file).state == "/elsewhere");
    CHECK_THROWS(load_place(folder.path / "none.yaml"));
}

TEST_CASE("where the databases are can be read from a file with mistakes elsewhere, and not where one of them may be meant") {
    const Folder folder;
    const auto file = folder.path / "millrace.yaml";
    const std::string warehouse =
        "state: here\nconnections: {warehouse: {type: postgres, url: \"postgresql:///w\"}, a: {type: nonsense}}\n";
    folder.write("millrace.yaml", warehouse + "database: postgresql:///store\nlimts: {few: 0}\n");
    CHECK_THROWS(load_configuration(file));
    const auto found = load_databases(file);
    CHECK(found.database == "postgresql:///store");
    CHECK(found.state == folder.path / "here");
    CHECK(ConfiguredConnections(found, "").resolve("warehouse").at("url") == "postgresql:///w");

    const std::string doubtful = GENERATE("databse: postgresql:///store\n", "conections: {}\n", "database: ${secret.MR_TEST_NOT_SET}\n");
    folder.write("millrace.yaml", "state: here\n" + doubtful);
    CHECK_THROWS(load_databases(file));
    folder.write("millrace.yaml", "state: here\nconnections: {warehouse: {type: postgres, ulr: \"postgresql:///w\"}}\n");
    CHECK_THROWS(load_databases(file));
}

TEST_CASE("a folder of flows below another one is not named beside it") {
    const Folder folder;
    folder.write("millrace.yaml", "flows: [flows, flows/people]\n");
    CHECK_THROWS_WITH(load_configuration(folder.path / "millrace.yaml"),
                      Catch::Contains((folder.path / "flows/people").string() + " is in " + (folder.path / "flows").string()));
    folder.write("millrace.yaml", "flows: [flows, flows_of_others]\n");
    CHECK(load_configuration(folder.path / "millrace.yaml").flows.size() == 2);
}
