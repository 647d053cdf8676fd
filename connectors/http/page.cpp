#include "connectors/http/page.hpp"

#include "connectors/one_line.hpp"

#include <charconv>

namespace millrace {
namespace {
constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

bool is_step(const JsonPath& path, std::size_t depth, std::string_view name) {
    if (depth >= path.size()) return false;
    const auto* wanted = std::get_if<std::string>(&path[depth]);
    return wanted != nullptr && *wanted == name;
}
bool is_step(const JsonPath& path, std::size_t depth, std::size_t i) {
    if (depth >= path.size()) return false;
    const auto* wanted = std::get_if<std::size_t>(&path[depth]);
    return wanted != nullptr && *wanted == i;
}
} // namespace

void Page::read(std::string_view text) {
    raw_.clear();
    starts_.clear();
    announced_.reset();
    found_ = stands_alone_ = twice_ = false;
    if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
    index_.read(text);
    JsonCursor cursor(index_);
    read_members(cursor, 0, true, !total_path_.empty());
    if (!cursor.at_end()) cursor.refuse("something follows the answer");
    if (found_ && !twice_) return;
    std::string where;
    for (const auto& step : records_)
        where += std::holds_alternative<std::string>(step) ? "." + std::get<std::string>(step)
                                                           : "[" + std::to_string(std::get<std::size_t>(step)) + "]";
    if (twice_) throw RecordMistake("it has two lists '" + where.substr(1) + "'");
    throw RecordMistake((records_.empty() ? "it is no list of records" : "it has no list '" + where.substr(1) + "'") + beginning());
}

std::string Page::beginning() const { return ": " + one_line(index_.text(), 200); }

/// Goes down to the records and the total, and over everything else. Both may lie below one member.
void Page::read_members(JsonCursor& cursor, std::size_t depth, bool on_records, bool on_total) {
    if (on_records && depth == records_.size()) {
        read_records(cursor);
        return;
    }
    if (on_total && depth == total_path_.size()) {
        read_total(cursor);
        return;
    }
    const auto visit = [&](const auto& step) {
        const bool records = on_records && is_step(records_, depth, step);
        const bool total = on_total && is_step(total_path_, depth, step);
        if (records || total)
            read_members(cursor, depth + 1, records, total);
        else
            (void)cursor.skip();
    };
    if (cursor.peek() == '{') {
        cursor.expect('{');
        if (cursor.accept('}')) return;
        do visit(cursor.key());
        while (cursor.accept(','));
        cursor.expect('}');
    } else if (cursor.peek() == '[') {
        cursor.expect('[');
        if (cursor.accept(']')) return;
        std::size_t i = 0;
        do visit(i++);
        while (cursor.accept(','));
        cursor.expect(']');
    } else {
        (void)cursor.skip();
    }
}

void Page::read_records(JsonCursor& cursor) {
    twice_ = found_;
    if (cursor.peek() == 'n') { // a member that is null: APIs that have nothing to say
        (void)cursor.check();
        found_ = !records_.empty();
        return;
    }
    if (cursor.peek() == '{') { // one record that stands alone, as /user gives it
        starts_.push_back(cursor);
        raw_.push_back(cursor.skip());
        found_ = stands_alone_ = records_.empty();
        return;
    }
    if (cursor.peek() != '[') {
        (void)cursor.skip();
        return;
    }
    found_ = true;
    cursor.expect('[');
    if (cursor.accept(']')) return;
    do {
        starts_.push_back(cursor);
        raw_.push_back(cursor.skip());
    } while (cursor.accept(','));
    cursor.expect(']');
}

void Page::read_total(JsonCursor& cursor) {
    const std::string_view raw = cursor.check();
    std::int64_t value = 0;
    const auto [end, status] = std::from_chars(raw.data(), raw.data() + raw.size(), value);
    if (status == std::errc() && end == raw.data() + raw.size() && value >= 0) announced_ = value;
}

JsonCursor Page::record(std::size_t i) const { return starts_[i]; }

std::uint64_t Page::fingerprint() const {
    if (raw_.empty()) return 0;
    const std::hash<std::string_view> hash;
    return (hash(raw_.front()) * 31 + hash(raw_.back())) * 31 + raw_.size();
}

} // namespace millrace
