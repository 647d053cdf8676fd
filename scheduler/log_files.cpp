#include "scheduler/log_files.hpp"

#include "flows/hash.hpp"
#include "flows/time.hpp"
#include "scheduler/service.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>
#include <map>
#include <optional>

namespace millrace {
namespace {

constexpr auto settled_after = std::chrono::milliseconds(250);
constexpr std::size_t most_places = 64;      ///< in a cursor, which travels in a URL
constexpr std::int64_t end_mark_bytes = 256; ///< the last line of an attempt that ended is shorter

/// Between two lines of a file.
struct Place {
    std::int64_t offset = 0, line = 0; ///< bytes and lines before it
};

/// What `next` says: `MICROS[.FILE:OFFSET:LINE]...`. The time of the last line given out, and places in files begun and not
/// finished. Files that it does not name are searched for what is later than that time.
struct Cursor {
    std::int64_t time = 0;
    std::map<std::string, Place> places; ///< by name_of
};

struct Line {
    std::int64_t at;
    std::size_t source;
    Place end;
    std::optional<Json> content; ///< none: it is not shown
    bool ends = false;           ///< nothing follows it in its file
};

std::string name_of(const LogSource& source) { return sha256_hex(source.path).substr(0, 12); }

std::int64_t number_at(const char*& from, const char* end) {
    std::int64_t n = 0;
    const auto [stop, error] = std::from_chars(from, end, n);
    if (error != std::errc() || n < 0) throw Refusal(Refusal::Kind::Invalid, "`after` takes the `next` of the previous page");
    from = stop;
    return n;
}

Cursor parse_cursor(const std::string& text) {
    Cursor cursor;
    if (text.empty()) return cursor;
    const char *at = text.data(), *end = at + text.size();
    const auto expect = [&](char c) {
        if (at == end || *at++ != c) throw Refusal(Refusal::Kind::Invalid, "`after` takes the `next` of the previous page");
    };
    cursor.time = number_at(at, end);
    while (at != end) {
        expect('.');
        const char* name_end = std::find(at, end, ':');
        const std::string name(at, name_end);
        at = name_end;
        expect(':');
        Place place;
        place.offset = number_at(at, end);
        expect(':');
        place.line = number_at(at, end);
        cursor.places[name] = place;
    }
    return cursor;
}

std::string to_text(const Cursor& cursor) {
    std::vector<std::pair<std::string, Place>> places(cursor.places.begin(), cursor.places.end());
    std::sort(places.begin(), places.end(), [](const auto& a, const auto& b) { return a.second.offset > b.second.offset; });
    if (places.size() > most_places) places.resize(most_places); // the short ones are soon read again
    std::string out = std::to_string(cursor.time);
    for (const auto& [name, place] : places) out += "." + name + ":" + std::to_string(place.offset) + ":" + std::to_string(place.line);
    return out;
}

std::optional<std::int64_t> time_of(const Json& line) {
    const auto at = line.is_object() ? parse_rfc3339(line.value("at", "")) : std::nullopt;
    return at ? std::optional(to_micros(*at)) : std::nullopt;
}

/// The file's last line says that it is the last, and it is not later than `time`.
bool ended_by(std::ifstream& file, std::int64_t time) {
    file.seekg(0, std::ios::end);
    const std::int64_t size = file.tellg();
    file.seekg(std::max<std::int64_t>(0, size - end_mark_bytes));
    std::string text, last;
    while (std::getline(file, text)) last = text;
    file.clear();
    file.seekg(0);
    const Json line = Json::parse(last, nullptr, false);
    const auto at = time_of(line);
    return at && line.value("end", false) && *at <= time;
}

/// Collects lines until there are enough; `until` comes down to the time of the last one wanted.
class Page {
public:
    Page(Cursor cursor, std::size_t limit, std::int64_t until) : cursor_(std::move(cursor)), limit_(limit), until_(until) {}

    void read(const LogSource& source, std::size_t number) {
        if (source.line) return read_line(*source.line, number);
        std::ifstream file(source.path, std::ios::binary);
        if (!file) return;
        const auto known = cursor_.places.find(name_of(source));
        Place place;
        if (known != cursor_.places.end())
            place = known->second;
        else if (cursor_.time > 0 && ended_by(file, cursor_.time))
            return;
        file.seekg(place.offset);
        std::string text;
        std::int64_t last = 0;
        std::size_t mine = 0;
        while (std::getline(file, text)) {
            if (file.eof()) return; // half a line: it is being written
            place.offset += static_cast<std::int64_t>(text.size()) + 1;
            ++place.line;
            Json line = Json::parse(text, nullptr, false);
            last = std::max(last, time_of(line).value_or(last)); // times only grow within a file
            if (known == cursor_.places.end() && last <= cursor_.time) continue;
            if (last > until_) {
                more_ = true;
                return;
            }
            const bool ends = line.is_object() && line.value("end", false);
            const bool shown = line.is_object() && (!ends || !line.value("text", "").empty());
            lines_.push_back({last, number, place, shown ? std::optional(std::move(line)) : std::nullopt, ends});
            if (shown && ++mine == limit_) until_ = std::min(until_, last); // one instant is never cut
        }
    }

    /// After each file, so that what is held stays small.
    void trim() {
        if (lines_.size() <= 2 * limit_) return;
        order();
        cut();
    }

    Json take(const std::vector<LogSource>& sources, bool over) {
        order();
        cut();
        Json items = Json::array();
        std::map<std::size_t, const Line*> read_to;
        for (const auto& l : lines_) {
            cursor_.time = std::max(cursor_.time, l.at);
            read_to[l.source] = &l;
            if (!l.content) continue;
            const auto& source = sources[l.source];
            const auto& line = *l.content;
            items.push_back({{"task", source.task.empty() ? Json() : Json(source.task)},
                             {"item", source.item},
                             {"attempt", source.attempt},
                             {"line", l.end.line},
                             {"at", line.value("at", "")},
                             {"level", line.value("level", "info")},
                             {"text", line.value("text", "")}});
        }
        for (const auto& [number, line] : read_to) {
            if (line->ends)
                cursor_.places.erase(name_of(sources[number]));
            else
                cursor_.places[name_of(sources[number])] = line->end;
        }
        return {{"items", std::move(items)}, {"next", to_text(cursor_)}, {"end", over && !more_}};
    }

private:
    void read_line(const Json& line, std::size_t number) {
        const std::int64_t at = time_of(line).value_or(0);
        if (at <= cursor_.time) return;
        if (at > until_)
            more_ = true;
        else
            lines_.push_back({at, number, Place{0, 1}, std::optional<Json>(line), true});
    }

    void order() {
        std::stable_sort(lines_.begin(), lines_.end(), [](const Line& a, const Line& b) { return a.at < b.at; });
    }

    void cut() {
        std::size_t shown = 0, n = 0;
        while (n < lines_.size() && shown < limit_) shown += lines_[n++].content ? 1 : 0;
        while (n > 0 && n < lines_.size() && lines_[n].at == lines_[n - 1].at) ++n;
        if (n == lines_.size()) return;
        until_ = std::min(until_, lines_[n - 1].at);
        more_ = true;
        lines_.resize(n);
    }

    Cursor cursor_;
    const std::size_t limit_;
    std::int64_t until_;
    std::vector<Line> lines_;
    bool more_ = false;
};

} // namespace

void end_log(const std::string& path, Instant at, const OrderError& error) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary | std::ios::app);
    const bool ends_in_a_line = !file.seekg(-1, std::ios::end) || file.get() == '\n';
    file.clear();
    const Json line = LogLine{to_rfc3339(at), "error", error.message, true};
    file << (ends_in_a_line ? "" : "\n") << line.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n' << std::flush;
}

Json read_logs(const std::vector<LogSource>& sources, const std::string& after, int limit, bool over) {
    const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
    Page page(parse_cursor(after), static_cast<std::size_t>(limit),
              over ? std::numeric_limits<std::int64_t>::max() : to_micros(now - settled_after));
    for (std::size_t i = 0; i < sources.size(); ++i) {
        page.read(sources[i], i);
        page.trim();
    }
    return page.take(sources, over);
}

} // namespace millrace
