#include "flows/json.hpp"
#include "tasks/attempt_log.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <unistd.h>
#include <zstd.h>

using namespace millrace;
namespace fs = std::filesystem;

namespace {

struct Folder {
    Folder() : path(fs::temp_directory_path() / ("millrace-attempt-log-" + std::to_string(getpid()))) {}
    ~Folder() { fs::remove_all(path); }
    [[nodiscard]] std::string log() const { return path / "hours.1.ndjson"; }
    fs::path path;
};

std::string bytes_of(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

std::string unpacked(const std::string& bytes) {
    std::string out(1 << 20, '\0');
    const auto size = ZSTD_decompress(out.data(), out.size(), bytes.data(), bytes.size()); // what is to be skipped is skipped
    REQUIRE(ZSTD_isError(size) == 0);
    out.resize(size);
    return out;
}

std::vector<Json> lines_of(const std::string& text) {
    std::vector<Json> out;
    for (std::size_t from = 0, end; (end = text.find('\n', from)) != std::string::npos; from = end + 1)
        out.push_back(Json::parse(text.substr(from, end - from)));
    return out;
}

std::vector<LogPart> parts_in(const Folder& folder) {
    std::vector<LogPart> parts;
    for (const auto& entry : fs::directory_iterator(log_tail_folder(folder.log())))
        parts.push_back(part_from(entry.path().filename().string()).value());
    std::sort(parts.begin(), parts.end(), [](const auto& a, const auto& b) { return a.number < b.number; });
    return parts;
}

constexpr LogLimits small{4096, 4096, 3, 1024};

} // namespace

TEST_CASE("attempt log: a line is as it was written, but for what nobody can show") {
    Folder folder;
    AttemptLog log(folder.log());
    log.write("out", "a \"quoted\" line\t1");
    log.write("err", std::string("a NUL \0 and \xFF", 13));
    log.write("out", std::string(20000, 'x'));
    log.finish();
    log.write("out", "after the end");
    const auto lines = lines_of(bytes_of(folder.log()));
    REQUIRE(lines.size() == 4);
    CHECK(lines[0].at("text") == "a \"quoted\" line\t1");
    CHECK(lines[0].at("level") == "out");
    CHECK(lines[0].at("end") == false);
    CHECK(lines[1].at("text") == "a NUL \xEF\xBF\xBD and \xEF\xBF\xBD");
    CHECK(lines[2].at("text").get<std::string>().ends_with("xxx... (3616 bytes more)"));
    CHECK(lines[3].at("end") == true);
}

TEST_CASE("attempt log: of a flood the beginning and the end stay, and how much is between") {
    Folder folder;
    AttemptLog log(folder.log(), small);
    constexpr int all = 2000;
    for (int i = 0; i < all; ++i) log.write("out", "line " + std::to_string(i));
    log.finish();
    const auto head = lines_of(bytes_of(folder.log()));
    CHECK(head.front().at("text") == "line 0");
    const auto parts = parts_in(folder);
    REQUIRE(parts.size() == 3);
    std::int64_t bytes = std::ssize(bytes_of(folder.log()));
    std::size_t kept = head.size();
    for (const auto& part : parts) {
        const auto text = bytes_of(log_tail_folder(folder.log()) + "/" + part_name(part));
        const auto lines = lines_of(text);
        if (!lines.front().at("end").get<bool>()) CHECK(lines.front().at("text") == "line " + std::to_string(part.lines));
        bytes += std::ssize(text);
        kept += lines.size();
    }
    CHECK(bytes <= 4 * 4096);
    CHECK(parts.back().left_out_lines + static_cast<std::int64_t>(kept) == all + 1); // and the end marker
    CHECK(parts.front().lines == std::ssize(head) + parts.back().left_out_lines);
    const auto last = lines_of(bytes_of(log_tail_folder(folder.log()) + "/" + part_name(parts.back())));
    CHECK(last.back().at("end") == true);
}

TEST_CASE("attempt log: one of some size is compressed when it has ended, with what it takes to pass over it") {
    Folder folder;
    std::string plain;
    {
        AttemptLog log(folder.log(), {1 << 20, 1 << 20, 3, 1024});
        log.compress(); // it has not ended
        for (int i = 0; i < 200; ++i) log.write("out", "line " + std::to_string(i));
        log.finish();
        plain = bytes_of(folder.log());
        log.compress();
    }
    CHECK_FALSE(fs::exists(folder.log()));
    const auto packed = bytes_of(folder.log() + ".zst");
    CHECK(packed.size() * 5 < plain.size());
    CHECK(unpacked(packed) == plain);
    const auto trailer = trailer_from(std::string_view(packed).substr(packed.size() - log_trailer_bytes));
    REQUIRE(trailer);
    CHECK(trailer->lines == 201);
    CHECK(std::distance(fs::directory_iterator(folder.path), {}) == 1);
}

TEST_CASE("attempt log: a small one stays as it is") {
    Folder folder;
    AttemptLog log(folder.log());
    log.write("out", "one");
    log.finish();
    log.compress();
    CHECK(lines_of(bytes_of(folder.log())).size() == 2);
}
