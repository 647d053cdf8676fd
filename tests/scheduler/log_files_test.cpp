#include "flows/log_parts.hpp"
#include "flows/time.hpp"
#include "scheduler/log_files.hpp"
#include "scheduler/service.hpp"

#include <catch2/catch.hpp>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>

#include <unistd.h>
#include <zstd.h>

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
    [[nodiscard]] std::filesystem::path path_of(const std::string& task) const { return folder_ / (task + ".1.ndjson"); }
    /// What a host does with a file that ended.
    static void compress(const std::filesystem::path& path, std::int64_t lines, std::int64_t last_micros) {
        std::ifstream in(path, std::ios::binary);
        const std::string text{std::istreambuf_iterator<char>(in), {}};
        std::string out(ZSTD_compressBound(text.size()), '\0');
        out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 1));
        std::ofstream(path.string() + ".zst", std::ios::binary) << out << to_bytes({lines, to_micros(start) + last_micros});
        std::filesystem::remove(path);
    }
    /// Lines of the tail of a task's log, from a number on; returns the file.
    std::filesystem::path tail(const std::string& task, LogPart part, std::int64_t micros, int lines) {
        part.begun_at = to_micros(start) + micros;
        const std::filesystem::path folder = log_tail_folder(path_of(task));
        std::filesystem::create_directories(folder);
        std::ofstream file(folder / part_name(part), std::ios::binary);
        for (int i = 0; i < lines; ++i)
            file << Json({{"at", to_rfc3339(start + std::chrono::microseconds(micros + i))},
                          {"level", "out"},
                          {"text", std::to_string(part.lines + i)},
                          {"end", false}})
                        .dump()
                 << "\n";
        return folder / part_name(part);
    }
    /// The texts that are found, on pages of that size.
    std::vector<std::string> found(const LogWanted& wanted, int limit = 1000) {
        std::vector<std::string> out;
        for (std::string after;;) {
            const Json page = read_logs(sources, after, limit, true, wanted);
            for (const auto& item : page.at("items")) out.push_back(item.at("text"));
            after = page.at("next");
            if (page.at("end") == true) return out;
            REQUIRE(!page.at("items").empty());
        }
    }
    void line(const std::string& task, const std::string& text) {
        const auto path = path_of(task);
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
    static inline const Instant start = *parse_rfc3339("2026-11-20T06:00:00Z");
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

TEST_CASE("an attempt whose host was killed before it made the log's folder has the reason as its log") {
    Logs logs;
    const auto path = logs.path_of("a").parent_path() / "of a run" / "logs" / "a.1.ndjson";
    end_log(path, *parse_rfc3339("2026-11-20T06:00:02Z"), {"crashed", "the daemon was killed", {}, 0});
    const Json log = read_logs({{path, "a", nullptr, 1}}, "", 100, true);
    REQUIRE(log.at("items").size() == 1);
    CHECK(log.at("items")[0].at("text") == "the daemon was killed");
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

TEST_CASE("a page of long lines holds some megabytes, and all of them are read in the end") {
    Logs logs;
    for (const char* task : {"a", "b", "c"})
        for (int i = 0; i < 600; ++i) logs.write(task, i * 10, std::string(16000, 'x'));
    const Json page = read_logs(logs.sources, "", 10000, true);
    CHECK(page.at("items").size() < 300);
    CHECK(page.at("end") == false);
    CHECK(logs.pages(10000).size() == 1800);
}

TEST_CASE("an `after` that is none is refused") {
    Logs logs;
    for (const char* after : {"x", "-1", "1.abc", "1.abc:5", "1.abc:5:", "1.abc:5:6x", "99999999999999999999"})
        CHECK_THROWS_AS(read_logs(logs.sources, after, 10, true), Refusal);
}

TEST_CASE("a compressed log reads as the plain one did, whatever the size of a page, also for who began before it was compressed") {
    Logs logs;
    for (int i = 0; i < 50; ++i) {
        logs.write("a", i * 10, std::to_string(i));
        logs.write("b", i * 10 + 5, std::to_string(i));
    }
    logs.write("a", 500, "", true);
    const auto plain = logs.pages(1000);
    const Json begun = read_logs(logs.sources, "", 30, true);
    Logs::compress(logs.path_of("a"), 51, 500);
    for (const int limit : {1, 2, 7, 50, 99, 100}) CHECK(logs.pages(limit) == plain);
    const Json rest = read_logs(logs.sources, begun.at("next"), 1000, true);
    CHECK(begun.at("items").size() + rest.at("items").size() == plain.size());
}

TEST_CASE("who has read a compressed log passes over it") {
    Logs logs;
    for (int i = 0; i < 5000; ++i) logs.write("a", i, "line " + std::to_string(i % 7));
    logs.write("a", 5000, "", true);
    Logs::compress(logs.path_of("a"), 5001, 5000);
    const Json all = read_logs(logs.sources, "", 10000, true);
    REQUIRE(all.at("items").size() == 5000);
    logs.write("b", 6000, "later");
    const auto before = bytes_read();
    const Json later = read_logs(logs.sources, all.at("next"), 10000, true);
    CHECK(bytes_read() - before < 2000);
    REQUIRE(later.at("items").size() == 1);
    CHECK(later.at("items")[0].at("text") == "later");
}

TEST_CASE("an attempt that was killed when its log was compressed ends with the reason") {
    Logs logs;
    logs.write("a", 0, "one");
    logs.write("a", 1, "", true);
    Logs::compress(logs.path_of("a"), 2, 1);
    const Json first = read_logs(logs.sources, "", 100, false);
    end_log(logs.sources[0].path, *parse_rfc3339("2026-11-20T06:00:02Z"), {"crashed", "the host died", "", 0});
    CHECK(read_logs(logs.sources, first.at("next"), 100, true).at("items").size() == 1);
    CHECK(logs.pages(100) == std::vector<std::string>{"a:one", "a:the host died"});
}

TEST_CASE("of a long log the beginning and the end are read, with a line that says what is between") {
    const bool packed = GENERATE(false, true);
    Logs logs;
    for (int i = 0; i < 3; ++i) logs.write("a", i, std::to_string(i));
    logs.tail("a", {4, 30, 20, 2'500'000, 0}, 1000, 10);
    const auto last = logs.tail("a", {5, 40, 27, 3'400'000, 0}, 2000, 10);
    if (packed) Logs::compress(logs.path_of("a"), 3, 2), Logs::compress(last, 10, 2009);
    const auto all = logs.pages(1000);
    REQUIRE(all.size() == 24);
    CHECK(all[2] == "a:2");
    CHECK(all[3] == "a:... 27 lines (3.4 MB as recorded) left out: of a long log the beginning and the end are kept ...");
    CHECK(all[4] == "a:30");
    CHECK(all.back() == "a:49");
    for (const int limit : {1, 2, 3, 4, 10, 23}) CHECK(logs.pages(limit) == all);
    const Json page = read_logs(logs.sources, "", 1000, true);
    CHECK(page.at("items")[4].at("line") == 31);
    CHECK(page.at("items")[3].at("level") == "warning");
    CHECK(logs.found({"4", ""}, 3) == std::vector<std::string>{"34", "40", "41", "42", "43", "44", "45", "46", "47", "48", "49"});
}

TEST_CASE("a log is searched for a text, upper and lower case alike, and for lines of a level or higher") {
    Logs logs;
    const auto write = [&](std::int64_t at, const std::string& level, const std::string& text) {
        logs.line("a", Json({{"at", to_rfc3339(*parse_rfc3339("2026-11-20T06:00:00Z") + std::chrono::microseconds(at))},
                             {"level", level},
                             {"text", text},
                             {"end", false}})
                               .dump() +
                           "\n");
    };
    for (int i = 0; i < 300; ++i)
        write(i, i % 100 == 7 ? "error" : i % 100 == 8 ? "warning" : "out", i % 50 == 7 ? "Found \"it\" " + std::to_string(i) : "no");
    write(300, "debug", "found nothing");
    using Texts = std::vector<std::string>;
    const Texts errors{"Found \"it\" 7", "Found \"it\" 107", "Found \"it\" 207"};
    for (const int limit : {1, 2, 1000}) {
        CHECK(logs.found({"\"IT\"", ""}, limit).size() == 6);
        CHECK(logs.found({"found", "error"}, limit) == errors);
        CHECK(logs.found({"", "error"}, limit) == errors);
        CHECK(logs.found({"", "warning"}, limit).size() == 6);
        CHECK(logs.found({"found", "info"}, limit).size() == 6);
        CHECK(logs.found({"found", "debug"}, limit).size() == 7);
        CHECK(logs.found({"nowhere", ""}, limit).empty());
    }
}

TEST_CASE("one line stands for a log that is gone, whatever is looked for, and none for that of an attempt that goes on") {
    Logs logs;
    logs.write("a", 0, "one");
    logs.write("b", 1000, "two");
    logs.write("c", 2000, "three");
    logs.sources[1].gone = LogLine{"2026-11-20T06:00:01Z", "warning", "it is gone", true};
    logs.sources[0].gone = logs.sources[1].gone;
    std::filesystem::remove(logs.path_of("b"));
    std::filesystem::remove(logs.path_of("c"));
    CHECK(logs.pages(1) == std::vector<std::string>{"a:one", "b:it is gone"});
    CHECK(logs.found({"one", ""}) == std::vector<std::string>{"one", "it is gone"});
    CHECK(logs.found({"", "error"}) == std::vector<std::string>{"it is gone"});
    const Json all = read_logs(logs.sources, "", 10, true);
    CHECK(read_logs(logs.sources, all.at("next"), 10, true).at("items").empty());
}

TEST_CASE("a log of which only the end is left stands for itself") {
    Logs logs;
    logs.write("a", 0, "one");
    logs.tail("a", {1, 1, 0, 0, 0}, 10, 2);
    logs.sources[0].gone = LogLine{"2026-11-20T06:00:01Z", "warning", "it is gone", true};
    std::filesystem::remove(logs.path_of("a"));
    CHECK(logs.pages(10) == std::vector<std::string>{"a:1", "a:2"});
}
