#include "tasks/csv_form.hpp"

#include "connectors/full_disk.hpp"
#include "flows/counted.hpp"
#include "flows/error.hpp"
#include "flows/letters.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <string_view>

namespace millrace {
namespace {

constexpr std::size_t block_bytes = 1 << 20;
constexpr std::size_t longest_row = 64 << 20; ///< bytes; DuckDB holds one as a whole, and a task has 256 MB by default
constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
constexpr const char* remedy = "fields have commas between them; one with a comma, a line break or a quote stands in double quotes, a "
                               "quote in it doubled";

[[noreturn]] void refuse(std::size_t line, const std::string& what, const std::string& hint = remedy) {
    throw Error(ErrorClass::BadData, fmt::format("line {} of the CSV that the command wrote {}", line, what), hint);
}

/// Says of each byte of a CSV what it is there for. As in DuckDB, quotes may have a space before them and spaces behind, and one within a
/// plain field is a character like others.
class CsvWalk {
public:
    enum class Byte { Text, Opens, Closes, Comma, End, EndGoesOn, Misplaced };

    Byte next(char c) {
        if (state_ == State::Quoted) {
            if (c != '"') return Byte::Text;
            state_ = State::AtQuote;
            return Byte::Closes;
        }
        const bool goes_on = c == '\n' && after_return_;
        after_return_ = c == '\r';
        if (c == ',' || c == '\n' || c == '\r') {
            state_ = State::Begin;
            return c == ',' ? Byte::Comma : goes_on ? Byte::EndGoesOn : Byte::End;
        }
        if (state_ == State::Plain) return Byte::Text;
        return state_ == State::AtQuote || state_ == State::Closed ? behind_quote(c) : begin(c);
    }
    [[nodiscard]] bool in_quotes() const { return state_ == State::Quoted; }
    [[nodiscard]] bool after_return() const { return after_return_; } ///< a row ended with one
    /// Until one of the bytes , " \n \r every byte is Text, and `next` need not see it.
    [[nodiscard]] bool in_text() const { return state_ == State::Plain || state_ == State::Quoted; }

private:
    enum class State { Begin, AfterSpace, Plain, Quoted, AtQuote, Closed };

    Byte begin(char c) {
        state_ = c == '"' ? State::Quoted : c == ' ' && state_ == State::Begin ? State::AfterSpace : State::Plain;
        return c == '"' ? Byte::Opens : Byte::Text;
    }
    Byte behind_quote(char c) {
        if (c == '"' && state_ == State::AtQuote) {
            state_ = State::Quoted;
            return Byte::Text;
        }
        state_ = State::Closed;
        return c == ' ' ? Byte::Closes : Byte::Misplaced;
    }

    State state_ = State::Begin;
    bool after_return_ = false;
};

/// So many bytes before the first that may be more than text.
std::size_t plain_bytes(std::string_view text) {
    static constexpr auto special = [] {
        std::array<bool, 256> out{};
        for (const unsigned char c : {',', '"', '\n', '\r'}) out[c] = true;
        return out;
    }();
    std::size_t n = 0;
    while (n < text.size() && !special[static_cast<unsigned char>(text[n])]) ++n;
    return n;
}

/// Sees the whole file, block by block.
class Examination {
public:
    void add(std::string_view text) {
        while (!text.empty()) {
            const std::size_t plain = walk_.in_text() ? plain_bytes(text) : 0;
            if (plain > 0)
                add_text(text.substr(0, plain));
            else
                add_byte(text[0]);
            text.remove_prefix(std::max<std::size_t>(plain, 1));
        }
    }

    CsvForm finish() {
        if (walk_.in_quotes()) refuse(quote_line_, "opens a quote that is never closed");
        note_lone_return();
        if (row_bytes_ > 0) end_row();
        if (form_.header.empty()) refuse_header();
        if (lone_return_ != 0 && line_feeds_ + both_ > 0)
            refuse(lone_return_, "ends with a carriage return alone, and others with a line feed",
                   "end each row with a line feed, and put a text with a carriage return in quotes");
        form_.mixed_ends = line_feeds_ > 0 && both_ > 0;
        return form_;
    }

private:
    using Byte = CsvWalk::Byte;

    [[noreturn]] static void refuse_header() {
        throw Error(ErrorClass::BadData, "the CSV that the command wrote has no header",
                    "write the names of the columns into its first line, also where there are no rows");
    }

    void add_text(std::string_view text) {
        last_ = text.back();
        filled_ = fields_;
        if (form_.header.empty()) names_.back() += text;
        lengthen(text.size());
    }

    void add_byte(char c) {
        if (c != '\n') note_lone_return();
        const Byte byte = walk_.next(c);
        if (c == '\r' || (c == '\n' && last_ != '\r')) ++line_;
        last_ = c;
        if (byte == Byte::End || byte == Byte::EndGoesOn) return add_end(byte, c);
        lengthen(1);
        if (byte == Byte::Misplaced) refuse(row_line_, "has text behind the quote that closes a field");
        if (byte == Byte::Opens) quote_line_ = line_;
        if (form_.header.empty()) add_to_header(byte, c);
        if (byte == Byte::Comma)
            ++fields_;
        else
            filled_ = fields_;
    }

    void add_end(Byte byte, char c) {
        if (byte == Byte::End) end_row();
        if (byte == Byte::EndGoesOn)
            ++both_;
        else if (c == '\n')
            ++line_feeds_;
        row_line_ = line_;
    }

    void add_to_header(Byte byte, char c) {
        if (byte == Byte::Comma) names_.emplace_back();
        if (byte == Byte::Opens) names_.back().clear(); // of spaces
        if (byte == Byte::Text) names_.back() += c;
    }

    void end_row() {
        if (form_.header.empty()) {
            if (row_bytes_ == 0) refuse_header();
            for (const std::string& name : names_) form_.header.emplace_back(trimmed(name, " "));
        }
        const std::size_t wanted = form_.header.size();
        if (row_bytes_ > 0 && (fields_ < wanted || filled_ > wanted)) // DuckDB leaves out empty fields behind the last
            refuse(row_line_, fmt::format("has {}, and its header {}", counted(static_cast<std::int64_t>(fields_), "field"), wanted));
        form_.longest_row = std::max(form_.longest_row, row_bytes_);
        row_bytes_ = filled_ = 0;
        fields_ = 1;
    }

    void lengthen(std::size_t bytes) {
        row_bytes_ += bytes;
        if (row_bytes_ > longest_row)
            refuse(row_line_, fmt::format("begins a row of more than {} MB", longest_row >> 20),
                   "is a quote in it never closed? Longer texts can be written with `output: parquet`");
    }

    void note_lone_return() {
        if (walk_.after_return() && lone_return_ == 0) lone_return_ = line_ - 1;
    }

    CsvForm form_;
    CsvWalk walk_;
    std::vector<std::string> names_{1};
    std::size_t line_ = 1, row_line_ = 1, quote_line_ = 1; ///< here, where the row begins, where the last quote was opened
    std::size_t fields_ = 1, filled_ = 0;                  ///< of the row: how many, and the last that is not empty
    std::size_t row_bytes_ = 0;
    std::size_t line_feeds_ = 0, both_ = 0; ///< rows that end so
    std::size_t lone_return_ = 0;           ///< the first line that ends with nothing else
    char last_ = 0;
};

template <class Visit>
void visit_blocks(const std::string& path, Visit visit) {
    std::ifstream in(path, std::ios::binary);
    std::string block(block_bytes, '\0');
    for (bool first = true; in.read(block.data(), block_bytes) || in.gcount() > 0; first = false) {
        std::string_view text(block.data(), static_cast<std::size_t>(in.gcount()));
        if (first && text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
        visit(text);
    }
    if (!in.eof()) throw Error(ErrorClass::Resource, fmt::format("cannot read {}: {}", path, std::strerror(errno)));
}

} // namespace

CsvForm form_of_csv(const std::string& path) {
    Examination examination;
    visit_blocks(path, [&](std::string_view text) { examination.add(text); });
    return examination.finish();
}

void unify_line_ends(const std::string& path) {
    const std::string unified = path + ".unified";
    std::ofstream out(unified, std::ios::binary);
    CsvWalk walk;
    std::string block;
    visit_blocks(path, [&](std::string_view text) {
        block.clear();
        for (const char c : text) {
            const CsvWalk::Byte byte = walk.next(c);
            if (byte == CsvWalk::Byte::End)
                block += '\n';
            else if (byte != CsvWalk::Byte::EndGoesOn)
                block += c;
        }
        out << block;
    });
    out.close();
    if (!out)
        throw Error(ErrorClass::Resource, fmt::format("cannot write {}: {}", unified, std::strerror(errno)), full_disk_remedy(unified));
    std::filesystem::rename(unified, path);
}

} // namespace millrace
