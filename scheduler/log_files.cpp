#include "scheduler/log_files.hpp"

#include "flows/counted.hpp"
#include "flows/hash.hpp"
#include "flows/time.hpp"
#include "scheduler/log_stream.hpp"
#include "scheduler/service.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <limits>
#include <map>
#include <optional>

namespace millrace {
namespace {

constexpr auto settled_after = std::chrono::milliseconds(250);
constexpr std::size_t most_bytes = 4 << 20; ///< of the lines of a page, but for those of its last instant
constexpr std::size_t most_places = 64;     ///< in a cursor, which travels in a URL

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
    std::size_t file; ///< place in the page's files
    Place end;
    std::optional<Json> content; ///< none: it is not shown
    bool ends = false;           ///< nothing follows it in its file
    std::size_t bytes = 0;
};

/// A file that lines come from. One without a path is a line that stands for one.
struct File {
    std::size_t source;
    std::string name;              ///< in cursors; empty: it is not named
    std::int64_t lines_before = 0; ///< of its log
};

std::string name_of(const std::string& path) { return sha256_hex(path).substr(0, 12); }

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

int rank_of(std::string_view level) { return level == "debug" ? 0 : level == "warning" ? 2 : level == "error" ? 3 : 1; }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

/// Upper and lower case alike, of ASCII.
bool holds(std::string_view text, std::string_view wanted) {
    return std::search(text.begin(), text.end(), wanted.begin(), wanted.end(), [](char a, char b) { return lower(a) == lower(b); }) !=
           text.end();
}

/// Which lines are shown.
class Wanted {
public:
    explicit Wanted(const LogWanted& wanted) : wanted_(wanted), least_(wanted.level.empty() ? 0 : rank_of(wanted.level)) {
        in_json_ = Json(wanted.search).dump(-1, ' ', false, Json::error_handler_t::replace);
        in_json_ = in_json_.substr(1, in_json_.size() - 2);
    }
    [[nodiscard]] bool searches() const { return !wanted_.search.empty(); }
    /// Of a line as it is in its file, before it costs more than a look.
    [[nodiscard]] bool may_be(std::string_view raw) const {
        return (wanted_.search.empty() || holds(raw, in_json_)) &&
               (least_ < 2 || raw.find(R"("level":"error")") != raw.npos || (least_ == 2 && raw.find(R"("level":"warning")") != raw.npos));
    }
    [[nodiscard]] bool is(const Json& line) const {
        return rank_of(line.value("level", "info")) >= least_ && (wanted_.search.empty() || holds(line.value("text", ""), wanted_.search));
    }

private:
    const LogWanted& wanted_;
    const int least_;
    std::string in_json_;
};

LogLine left_out(const LogPart& first, const LogPart& newest) {
    const auto text = fmt::format("... {} ({:.1f} MB as recorded) left out: of a long log the beginning and the end are kept ...",
                                  counted(newest.left_out_lines, "line"), static_cast<double>(newest.left_out_bytes) / 1e6);
    return {to_rfc3339(from_micros(first.begun_at)), "warning", text, true};
}

/// Collects lines until there are enough; `until` comes down to the time of the last one wanted.
class Page {
public:
    Page(Cursor cursor, std::size_t limit, std::int64_t until, const LogWanted& wanted)
        : cursor_(std::move(cursor)), limit_(limit), until_(until), wanted_(wanted) {}

    void read(const LogSource& source, std::size_t number) {
        if (source.line) return read_line(*source.line, {number, "", 0}, {0, 1});
        const auto parts = parts_of(source.path);
        const bool is_there = read_file(source.path, {number, name_of(source.path), 0}, parts.empty() ? nullptr : &parts.front());
        if (!is_there && parts.empty() && source.gone) return add_line(*source.gone, {number, "", 0}, {0, 1});
        if (!parts.empty() && parts.front().number > 1 && !wanted_.searches())
            read_line(left_out(parts.front(), parts.back()), {number, "", 0}, {0, parts.front().lines});
        for (std::size_t i = 0; i < parts.size(); ++i) {
            const auto path = log_tail_folder(source.path) + "/" + part_name(parts[i]);
            (void)read_file(path, {number, name_of(path), parts[i].lines}, i + 1 < parts.size() ? &parts[i + 1] : nullptr);
        }
    }

    /// After each file, so that what is held stays small.
    void trim() {
        std::size_t bytes = 0;
        for (const auto& l : lines_) bytes += l.bytes;
        if (lines_.size() <= 2 * limit_ && bytes <= 2 * most_bytes) return;
        order();
        cut();
    }

    Json take(const std::vector<LogSource>& sources, bool over) {
        order();
        cut();
        Json items = Json::array();
        std::map<std::size_t, const Line*> read_to; // by file
        for (const auto& l : lines_) {
            cursor_.time = std::max(cursor_.time, l.at);
            read_to[l.file] = &l;
            if (!l.content) continue;
            const auto& file = files_[l.file];
            const auto& source = sources[file.source];
            const auto& line = *l.content;
            items.push_back({{"task", source.task.empty() ? Json() : Json(source.task)},
                             {"item", source.item},
                             {"attempt", source.attempt},
                             {"line", file.lines_before + l.end.line},
                             {"at", line.value("at", "")},
                             {"level", line.value("level", "info")},
                             {"text", line.value("text", "")}});
        }
        for (const auto& [number, line] : read_to) {
            const auto& name = files_[number].name;
            if (line->ends)
                cursor_.places.erase(name);
            else
                cursor_.places[name] = line->end;
        }
        return {{"items", std::move(items)}, {"next", to_text(cursor_)}, {"end", over && !more_}};
    }

private:
    void read_line(const Json& line, File file, Place place) {
        if (wanted_.is(line)) add_line(line, std::move(file), place);
    }

    void add_line(const Json& line, File file, Place place) {
        const std::int64_t at = time_of(line).value_or(0);
        if (at <= cursor_.time) return;
        if (at > until_) {
            more_ = true;
            return;
        }
        files_.push_back(std::move(file));
        lines_.push_back({at, files_.size() - 1, place, std::optional<Json>(line), true});
    }

    /// Nothing of the file is later than what was given out before. `next`: the one that goes on where it ends.
    [[nodiscard]] bool is_behind(const LogStream& file, const LogPart* next) const {
        if (cursor_.time == 0) return false;
        if (next && next->begun_at <= cursor_.time) return true;
        if (file.trailer()) return file.trailer()->last_at <= cursor_.time;
        const Json last = Json::parse(file.last_line(), nullptr, false);
        return last.is_object() && last.value("end", false) && time_of(last).value_or(cursor_.time + 1) <= cursor_.time;
    }

    /// False: there is no such file.
    bool read_file(const std::string& path, File about, const LogPart* next) {
        LogStream file(path);
        if (!file.is_there()) return false;
        const auto known = cursor_.places.find(about.name);
        const bool is_known = known != cursor_.places.end();
        Place place = is_known ? known->second : Place();
        if (!is_known && is_behind(file, next)) return true;
        file.skip_to(place.offset);
        files_.push_back(std::move(about));
        const auto number = files_.size() - 1;
        std::string text;
        std::int64_t last = 0;
        std::size_t mine = 0, mine_bytes = 0;
        for (bool is_first = true; file.next(text); is_first = false) {
            place = {file.offset(), place.line + 1};
            const bool may_be = wanted_.may_be(text);
            Json line = may_be || is_first || text.find(R"("end":true)") != text.npos ? Json::parse(text, nullptr, false) : Json();
            last = std::max(last, time_of(line).value_or(last)); // times only grow within a file
            if (!is_known && last <= cursor_.time) continue;
            if (last > until_) {
                more_ = true;
                return true;
            }
            const bool ends = line.is_object() && line.value("end", false);
            const bool shown = may_be && line.is_object() && (!ends || !line.value("text", "").empty()) && wanted_.is(line);
            Line found{last, number, place, shown ? std::optional(std::move(line)) : std::nullopt, ends, shown ? text.size() : 0};
            mine_bytes += found.bytes;
            if (!lines_.empty() && lines_.back().file == number && !lines_.back().content)
                lines_.back() = std::move(found); // what is not shown only says how far it was read
            else
                lines_.push_back(std::move(found));
            if (shown && (++mine == limit_ || mine_bytes > most_bytes)) until_ = std::min(until_, last); // one instant is never cut
        }
        const bool is_over = file.trailer() || next;
        if (is_over && !lines_.empty() && lines_.back().file == number) lines_.back().ends = true;
        return true;
    }

    void order() {
        std::stable_sort(lines_.begin(), lines_.end(), [](const Line& a, const Line& b) { return a.at < b.at; });
    }

    void cut() {
        std::size_t shown = 0, bytes = 0, n = 0;
        for (; n < lines_.size() && shown < limit_ && bytes <= most_bytes; ++n) {
            shown += lines_[n].content ? 1 : 0;
            bytes += lines_[n].bytes;
        }
        while (n > 0 && n < lines_.size() && lines_[n].at == lines_[n - 1].at) ++n;
        if (n == lines_.size()) return;
        until_ = std::min(until_, lines_[n - 1].at);
        more_ = true;
        lines_.resize(n);
    }

    Cursor cursor_;
    const std::size_t limit_;
    std::int64_t until_;
    const Wanted wanted_;
    std::vector<File> files_;
    std::vector<Line> lines_;
    bool more_ = false;
};

} // namespace

void end_log(const std::string& path, Instant at, const OrderError& error) {
    const Json line = LogLine{to_rfc3339(at), "error", error.message, true};
    const std::string text = line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    const auto parts = parts_of(path);
    const std::string last = parts.empty() ? path : log_tail_folder(path) + "/" + part_name(parts.back());
    if (const LogStream file(last); file.trailer()) // its host ended it, and died before it said so
        return append_compressed(last, text, {file.trailer()->lines + 1, to_micros(at)});
    std::error_code ignored;
    std::filesystem::create_directories(std::filesystem::path(last).parent_path(), ignored); // its host had not come so far
    std::fstream file(last, std::ios::in | std::ios::out | std::ios::binary | std::ios::app);
    const bool ends_in_a_line = !file.seekg(-1, std::ios::end) || file.get() == '\n';
    file.clear();
    file << (ends_in_a_line ? "" : "\n") << text << std::flush;
}

Json read_logs(const std::vector<LogSource>& sources, const std::string& after, int limit, bool over, const LogWanted& wanted) {
    const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
    Page page(parse_cursor(after), static_cast<std::size_t>(limit),
              over ? std::numeric_limits<std::int64_t>::max() : to_micros(now - settled_after), wanted);
    for (std::size_t i = 0; i < sources.size(); ++i) {
        page.read(sources[i], i);
        page.trim();
    }
    return page.take(sources, over);
}

} // namespace millrace
