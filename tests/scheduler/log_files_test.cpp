#include "flows/time.hpp"
#include "scheduler/log_files.hpp"
#include "scheduler/service.hpp"

#include <catch2/catch.hpp>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>

#include <unistd.h>

using namespace millrace;

namespace {

class Logs {
public:
    Logs() : folder_(std::filesystem::temp_directory_path() / ("millrace-logs-" + std::to_string(getpid()))) {
        std::filesystem::create_directories(folder_);
    }
    ~Logs() { std::filesystem::remove_all(folder_); }

    void write(const std::string& task, std::int64_t micros, const std::string& text, bool end = false) {
        line(task,
             Json({{"at", to_rfc3339(start + std::chrono::microseconds(micros))}, {"level", "out"}, {"text", text}, {"end", end}}).dump() +
                 "\n");
    }
    void line(const std::string& task, const std::string& text) {
        const auto path = folder_ / (task + ".1.ndjson");
        if (!std::filesystem::exists(path)) sources.push_back({path, task, nullptr, 1});
        std::ofstream(path, std::ios::app | std::ios::binary) << text;
    }
    /// All pages one after the other: "task:text".
    std::vector<std::string> pages(int limit, bool over = true) {
        std::vector<std::string> out;
        for (std::string after;;) {
            const Json page = read_logs(sources, after, limit, over);
            for (const auto& item : page.at("items"))
                out.push_back(item.at("task").get<std::string>() + ":" + item.at("text").get<std::string>());
            after = page.at("next");
            if (page.at("end") == true) return out;
            REQUIRE(!page.at("items").empty());
        }
    }
    std::vector<LogSource> sources;

private:
    const Instant start = *parse_rfc3339("2026-11-20T06:00:00Z");
    std::filesystem::path folder_;
};

/// By this process, from files and pipes (proc(5): rchar).
std::uint64_t bytes_read() {
    std::ifstream io("/proc/self/io");
    std::string name;
    std::uint64_t bytes = 0;
    io >> name >> bytes;
    return bytes;
}

} // namespace

TEST_CASE("lines of several attempts come in the order of their times, each once, whatever the size of a page") {
    Logs logs;
    for (int i = 0; i < 50; ++i) {
        logs.write("a", i * 10, std::to_string(i));
        logs.write("b", i * 10 + (i % 3 == 0 ? 0 : 5), std::to_string(i)); // some at the very instant of a's
        if (i > 30) logs.write("late", i * 10 + 1, std::to_string(i));
    }
    logs.write("a", 500, "", true);
    const auto all = logs.pages(10000);
    CHECK(all.size() == 119);
    CHECK(std::set<std::string>(all.begin(), all.end()).size() == 119);
    CHECK(std::vector<std::string>(all.begin(), all.begin() + 4) == std::vector<std::string>{"a:0", "b:0", "a:1", "b:1"});
    for (const int limit : {1, 2, 7, 50, 118, 119}) CHECK(logs.pages(limit) == all);
}

TEST_CASE("reading on finds what was written meanwhile, and no half lines") {
    Logs logs;
    logs.write("a", 0, "one");
    logs.line("a", "{\"at\":\"2026-11-20T06:00:01Z\",\"lev");
    const Json first = read_logs(logs.sources, "", 100, false);
    CHECK(first.at("items").size() == 1);
    CHECK(first.at("end") == false);
    CHECK(read_logs(logs.sources, first.at("next"), 100, false).at("items").empty());
    logs.line("a", "el\":\"out\",\"text\":\"two\",\"end\":false}\n");
    logs.write("b", 1500000, "three");
    const Json second = read_logs(logs.sources, first.at("next"), 100, true);
    REQUIRE(second.at("items").size() == 2);
    CHECK(second.at("items")[0].at("text") == "two");
    CHECK(second.at("items")[0].at("line") == 2);
    CHECK(second.at("items")[1].at("text") == "three");
    CHECK(second.at("end") == true);
}

TEST_CASE("an attempt whose host was killed ends with the reason, also after half a line and for who has read all of it") {
    Logs logs;
    const OrderError error{"timeout", "timed out after 2 s", {}, 0};
    const bool by_itself = GENERATE(true, false);
    logs.write("a", 0, "one");
    if (by_itself)
        logs.write("a", 10, "", true);
    else
        logs.line("a", "{\"at\":\"2026-11-20T06:0");
    const Json first = read_logs(logs.sources, "", 100, false);
    end_log(logs.sources[0].path, *parse_rfc3339("2026-11-20T06:00:02Z"), error);
    const Json second = read_logs(logs.sources, first.at("next"), 100, true);
    REQUIRE(second.at("items").size() == 1);
    CHECK(second.at("items")[0].at("text") == "timed out after 2 s");
    CHECK(second.at("items")[0].at("level") == "error");
    CHECK(logs.pages(100) == std::vector<std::string>{"a:one", "a:timed out after 2 s"});
}

TEST_CASE("a page of a long log costs what it holds") {
    Logs logs;
    std::string block;
    const Instant start = *parse_rfc3339("2026-11-20T06:00:00Z");
    for (int i = 0; i < 20000; ++i)
        block += Json({{"at", to_rfc3339(start + std::chrono::microseconds(i * 3))},
                       {"level", "out"},
                       {"text", "line " + std::to_string(i)},
                       {"end", false}})
                     .dump() +
                 "\n";
    logs.line("a", block);
    const auto before = bytes_read();
    const auto all = logs.pages(1000);
    const auto read = bytes_read() - before;
    REQUIRE(all.size() == 20000);
    CHECK(all.back() == "a:line 19999");
    CHECK(read >= block.size());
    CHECK(read < 4 * block.size()); // twenty pages
}

TEST_CASE("an `after` that is none is refused") {
    Logs logs;
    for (const char* after : {"x", "-1", "1.abc", "1.abc:5", "1.abc:5:", "1.abc:5:6x", "99999999999999999999"})
        CHECK_THROWS_AS(read_logs(logs.sources, after, 10, true), Refusal);
}
