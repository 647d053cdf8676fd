#include "scheduler/log_files.hpp"

#include "flows/time.hpp"

#include <algorithm>
#include <fstream>

namespace millrace {
namespace {

constexpr auto settled_after = std::chrono::milliseconds(250);

struct Line {
    std::int64_t at;
    std::size_t source;
    std::int64_t number;
    Json content;
};

/// The cursor is the microsecond of the last line given out. Times only grow within a file.
void read_one(const LogSource& source, std::size_t place, std::int64_t after, std::int64_t until, std::vector<Line>& out) {
    std::ifstream file(source.path);
    std::string text;
    std::int64_t last = 0;
    for (std::int64_t number = 1; std::getline(file, text); ++number) {
        if (file.eof()) return; // half a line: it is being written
        Json line = Json::parse(text, nullptr, false);
        if (!line.is_object()) continue;
        const auto at = parse_rfc3339(line.value("at", ""));
        last = std::max(last, at ? to_micros(*at) : last);
        if (last <= after) continue;
        if (last > until) return;
        if (!line.value("end", false) || !line.value("text", "").empty()) out.push_back({last, place, number, std::move(line)});
    }
}

} // namespace

Json read_logs(const std::vector<LogSource>& sources, std::int64_t after, int limit, bool over) {
    const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
    const std::int64_t until = over ? std::numeric_limits<std::int64_t>::max() : to_micros(now - settled_after);
    std::vector<Line> lines;
    for (std::size_t i = 0; i < sources.size(); ++i) read_one(sources[i], i, after, until, lines);
    std::stable_sort(lines.begin(), lines.end(), [](const Line& a, const Line& b) { return a.at < b.at; });
    std::size_t n = std::min(lines.size(), static_cast<std::size_t>(limit));
    while (n > 0 && n < lines.size() && lines[n].at == lines[n - 1].at) ++n; // one instant is never cut
    const bool more = n < lines.size();
    Json items = Json::array();
    for (std::size_t i = 0; i < n; ++i) {
        auto& l = lines[i];
        const auto& source = sources[l.source];
        items.push_back({{"task", source.task}, {"item", source.item}, {"attempt", source.attempt}, {"line", l.number},
                         {"at", l.content.value("at", "")}, {"level", l.content.value("level", "info")}, {"text", l.content.value("text", "")}});
    }
    const std::int64_t next = n > 0 ? lines[n - 1].at : after;
    return {{"items", std::move(items)}, {"next", next}, {"end", over && !more}};
}

} // namespace millrace
