/// One answer of a source, checked to be whole before anybody reads a record of it: its records as raw texts, and the number
/// of records that it announces.
#pragma once

#include "connectors/http/json_index.hpp"
#include "connectors/http/json_path.hpp"
#include "connectors/http/record_writer.hpp"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace millrace {

class Page {
public:
    /// Paths of ResourceSpec: `records` (empty: the root) and `total` (empty: not announced).
    Page(const std::string& records, const std::string& total) : records_(parse_json_path(records)), total_path_(parse_json_path(total)) {}

    /// The text must be followed by 64 readable bytes and outlive the page. Throws JsonMistake when it is no whole JSON,
    /// RecordMistake when it is whole but has no list of records where one should be, or two; its message shows the answer's beginning.
    void read(std::string_view text);

    [[nodiscard]] std::size_t size() const { return starts_.size(); }
    [[nodiscard]] std::string_view raw(std::size_t i) const { return raw_[i]; }
    [[nodiscard]] JsonCursor record(std::size_t i) const;
    /// The answer is one record, which stands in no list.
    [[nodiscard]] bool stands_alone() const { return stands_alone_; }
    [[nodiscard]] std::optional<std::int64_t> announced() const { return announced_; }
    /// ": " and how the answer begins, for a message.
    [[nodiscard]] std::string beginning() const;
    /// Two pages with the same one hold, for all that matters, the same records. 0 for an empty page.
    [[nodiscard]] std::uint64_t fingerprint() const;

private:
    void read_members(JsonCursor& cursor, std::size_t depth, bool on_records, bool on_total);
    void read_records(JsonCursor& cursor);
    void read_total(JsonCursor& cursor);

    JsonPath records_, total_path_;
    JsonIndex index_;
    bool found_ = false, stands_alone_ = false, twice_ = false;
    std::vector<std::string_view> raw_;
    std::vector<JsonCursor> starts_;
    std::optional<std::int64_t> announced_;
};

} // namespace millrace
