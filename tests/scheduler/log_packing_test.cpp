#include "../folder.hpp"
#include "flows/log_parts.hpp"
#include "flows/time.hpp"
#include "scheduler/log_files.hpp"
#include "scheduler/log_packing.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>

using namespace millrace;
using test::Folder;
namespace fs = std::filesystem;
using std::chrono::hours;

namespace {

const std::string run = "00000000-0000-4000-8000-000000000001";

/// Logs of one run, as hosts leave them that were killed.
class Logs {
public:
    Logs() { fs::create_directories(folder() / "logs"); }

    [[nodiscard]] fs::path folder() const { return staging_.path / run; }
    [[nodiscard]] std::string path_of(const std::string& task) const { return folder() / "logs" / (task + ".1.ndjson"); }

    /// So many lines, of about 100 bytes, from a number on, into that file.
    void write(const fs::path& file, int from, int lines) {
        fs::create_directories(file.parent_path());
        std::ofstream out(file, std::ios::app | std::ios::binary);
        for (int i = from; i < from + lines; ++i)
            out << Json(LogLine{to_rfc3339(start + std::chrono::seconds(i)), "out", "line " + std::to_string(i), false}).dump() << "\n";
    }
    /// Half a line, and what the runner writes.
    void kill(const std::string& task) {
        const auto path = path_of(task);
        std::ofstream(path, std::ios::app | std::ios::binary) << R"({"at":"2026-)";
        end_log(path, start + hours(1), {"crashed", "the host was killed: " + std::string(400, 'x'), "", 0});
        sources.push_back({path, task, nullptr, 1});
    }
    void age() const {
        for (const auto& entry : fs::recursive_directory_iterator(folder()))
            fs::last_write_time(entry.path(), fs::file_time_type::clock::now() - hours(2));
    }
    [[nodiscard]] bool are_found() const { return !with_plain_logs(staging_.path, {run, "no such folder"}, an_hour_ago()).empty(); }
    Packed pack() const {
        Packed packed;
        while (!pack_logs(folder(), an_hour_ago(), std::chrono::milliseconds(-1), packed)) {
        }
        return packed;
    }
    [[nodiscard]] Json read(const std::string& after = "", int limit = 10000) const { return read_logs(sources, after, limit, true); }
    [[nodiscard]] std::vector<std::string> files() const {
        std::vector<std::string> names;
        for (const auto& entry : fs::directory_iterator(folder() / "logs")) names.push_back(entry.path().filename().string());
        std::sort(names.begin(), names.end());
        return names;
    }
    std::vector<LogSource> sources;

private:
    static Instant an_hour_ago() { return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()) - hours(1); }
    static inline const Instant start = *parse_rfc3339("2025-11-20T06:00:00Z");
    Folder staging_;
};

using Names = std::vector<std::string>;

} // namespace

TEST_CASE("the log of an attempt whose host was killed is compressed when it has not changed for an hour, and reads as before") {
    Logs logs;
    logs.write(logs.path_of("a"), 0, 400);
    logs.kill("a");
    CHECK_FALSE(logs.are_found());
    CHECK(logs.pack().files == 0);
    logs.age();
    CHECK(logs.are_found());
    const Json all = logs.read(), begun = logs.read("", 100);
    REQUIRE(all.at("items").size() == 401);
    const auto packed = logs.pack();
    CHECK(packed.files == 1);
    CHECK(packed.bytes_after * 5 < packed.bytes_before);
    CHECK(logs.files() == Names{"a.1.ndjson.zst"});
    CHECK_FALSE(logs.are_found());
    CHECK(logs.read() == all);
    CHECK(begun.at("items").size() + logs.read(begun.at("next")).at("items").size() == 401); // who reads on loses nothing
    CHECK(logs.read(all.at("next")).at("items").empty());
}

TEST_CASE("a log that goes on, and a small one, stay as they are") {
    Logs logs;
    logs.write(logs.path_of("goes_on"), 0, 400);
    logs.write(logs.path_of("small"), 0, 3);
    logs.kill("small");
    logs.age();
    CHECK_FALSE(logs.are_found());
    CHECK(logs.pack().files == 0);
    CHECK(logs.files() == Names{"goes_on.1.ndjson", "small.1.ndjson"});
}

TEST_CASE("a log that was being compressed when the machine went down is read from the plain file, and compressed again") {
    Logs logs;
    const auto path = logs.path_of("a");
    logs.write(path, 0, 400);
    logs.kill("a");
    logs.age();
    const Json all = logs.read();
    SECTION("before the compressed one had its name") {
        std::ofstream(path + ".zst.tmp") << "half"; // of a host
        std::ofstream(path + ".zst.a1b2c3.tmp") << "half";
    }
    SECTION("after that") {
        fs::copy_file(path, path + ".kept");
        CHECK(logs.pack().files == 1);
        fs::rename(path + ".kept", path);
    }
    logs.age();
    CHECK(logs.read() == all);
    CHECK(logs.pack().files == 1);
    CHECK(logs.files() == Names{"a.1.ndjson.zst"});
    CHECK(logs.read() == all);
}

TEST_CASE("of a long log each file is compressed") {
    Logs logs;
    const auto path = logs.path_of("a");
    logs.write(path, 0, 200);
    std::vector<fs::path> parts;
    for (const int number : {5, 6}) {
        LogPart part;
        part.number = number;
        part.lines = number * 100;
        part.left_out_lines = number * 100 - 300;
        part.begun_at = to_micros(*parse_rfc3339("2025-11-20T06:00:00Z")) + part.lines * 1'000'000;
        parts.emplace_back(log_tail_folder(path) + "/" + part_name(part));
        logs.write(parts.back(), number * 100, 100);
    }
    end_log(path, *parse_rfc3339("2025-11-20T07:00:00Z"), {"crashed", "the host was killed", "", 0});
    logs.sources.push_back({path, "a", nullptr, 1});
    logs.age();
    const Json all = logs.read();
    CHECK(all.at("items").size() == 402); // and what says how many were left out
    CHECK(logs.pack().files == 3);
    for (const auto& part : parts) CHECK(fs::exists(part.string() + ".zst"));
    CHECK(logs.files() == Names{"a.1.ndjson.tail", "a.1.ndjson.zst"});
    CHECK(logs.read() == all);
    CHECK_FALSE(logs.are_found());
}
