#include "flows/project_files.hpp"

#include "flows/error.hpp"
#include "tests/folder.hpp"

#include <catch2/catch.hpp>
#include <sys/stat.h>

using namespace millrace;
namespace fs = std::filesystem;

namespace {

std::vector<std::string> found_in(const test::Folder& folder) {
    std::vector<std::string> names;
    for (const auto& file : yaml_files(folder.path)) names.push_back(file.lexically_relative(folder.path));
    return names;
}

} // namespace

TEST_CASE("flow files of folders below are found, hidden ones and other files are not") {
    const test::Folder folder;
    for (const char* below : {"people/deep", ".git"}) fs::create_directories(folder.path / below);
    for (const char* name : {"b.yaml", "people/a.yml", "people/deep/c.YAML", ".git/d.yaml", "people/.#e.yaml", "notes.md"})
        folder.write(name, "");
    CHECK(found_in(folder) == std::vector<std::string>{"b.yaml", "people/a.yml", "people/deep/c.YAML"});
}

TEST_CASE("a folder that links to one above is read once") {
    const test::Folder folder;
    fs::create_directory(folder.path / "people");
    folder.write("people/a.yaml", "");
    fs::create_directory_symlink(folder.path, folder.path / "people/again");
    CHECK(found_in(folder) == std::vector<std::string>{"people/a.yaml"});
}

TEST_CASE("a link to a flow file that is gone is told, and so is what cannot be read to its end") {
    const test::Folder folder;
    fs::create_symlink("gone.yaml", folder.path / "link.yaml");
    CHECK(found_in(folder) == std::vector<std::string>{"link.yaml"});
    CHECK_THROWS_WITH(read_source_text(folder.path / "link.yaml"),
                      Catch::EndsWith("link.yaml, a link to gone.yaml: No such file or directory"));
    REQUIRE(mkfifo((folder.path / "pipe.yaml").c_str(), 0600) == 0);
    CHECK_THROWS_WITH(found_in(folder), Catch::EndsWith("pipe.yaml is no regular file"));
}

TEST_CASE("a path is within another by whole names") {
    CHECK(is_within("/a/flows/people", "/a/flows"));
    CHECK(is_within("/a/flows/", "/a/flows"));
    CHECK_FALSE(is_within("/a/flows2", "/a/flows"));
    CHECK_FALSE(is_within("/a", "/a/flows"));
}
