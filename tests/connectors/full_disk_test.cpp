#include "../folder.hpp"
#include "connectors/descriptor.hpp"
#include "connectors/full_disk.hpp"
#include "flows/error.hpp"

#include <catch2/catch.hpp>

#include <cerrno>
#include <fcntl.h>
#include <functional>
#include <optional>

using namespace millrace;

namespace {

std::optional<Error> error_of(const std::function<void()>& act) {
    try {
        act();
    } catch (const Error& e) {
        return e;
    }
    return std::nullopt;
}

} // namespace

TEST_CASE("a disk without room and a used-up quota are a full disk, other failures are not") {
    CHECK(is_full_disk(ENOSPC));
    CHECK(is_full_disk(EDQUOT));
    CHECK_FALSE(is_full_disk(EIO));
}

TEST_CASE("what cannot be written for want of room names the file system and what is free of it") {
    const auto error = error_of([] { Descriptor("/dev/full", O_WRONLY).write("x", 1); });
    REQUIRE(error);
    CHECK(error->error_class == ErrorClass::Resource);
    CHECK(error->what() == std::string("cannot write /dev/full: No space left on device"));
    CHECK(error->remedy.starts_with("free space on the file system /dev: "));
}

TEST_CASE("a file that is not there yet is of the file system where it would be") {
    const test::Folder folder;
    const auto there = full_disk_remedy(folder.path.string());
    CHECK(full_disk_remedy((folder.path / "run/task/part.parquet").string()) == there);
    CHECK(there.starts_with("free space on the file system /"));
    CHECK(there.ends_with(" MB are free"));
}

TEST_CASE("without a path that can be asked it is the staging folder") {
    CHECK(full_disk_remedy("") == "free space in the staging folder");
    CHECK(full_disk_remedy("part.parquet") == "free space in the staging folder");
}
