#include "flows/column_type.hpp"

#include "flows/nearest.hpp"
#include "flows/sql_identifier.hpp"
#include "flows/sql_scan.hpp"
#include "flows/type_names.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace millrace {
namespace {

using Kind = SqlToken::Kind;

/// Reads a type and, in a column's line, the words behind it.
class Reader {
public:
    explicit Reader(const std::string& line) : line_(line), tokens_(scan_sql(line)) {}

    [[nodiscard]] bool done() const { return at_ >= tokens_.size(); }
    [[nodiscard]] bool sees(std::string_view text) const {
        return !done() && tokens_[at_].kind != Kind::Quoted && tokens_[at_].text == text;
    }
    [[nodiscard]] const SqlToken& current() const { return tokens_[at_]; }
    bool accept(std::string_view text) { return sees(text) && ++at_; }

    [[noreturn]] void fail(const std::string& message, const std::string& hint = {}) const {
        if (done()) throw ColumnMistake(message, line_.size(), 1, hint);
        throw ColumnMistake(message, tokens_[at_].offset, tokens_[at_].length, hint);
    }

    void expect(const char* text) {
        if (!accept(text)) fail(std::string("'") + text + "' is missing here");
    }

    std::string name(const char* what) {
        if (done() || (current().kind != Kind::Word && current().kind != Kind::Quoted)) fail(std::string(what) + " is missing here");
        // Words are scanned in lower case; a name keeps its own.
        const auto& token = tokens_[at_++];
        return token.kind == Kind::Quoted ? token.text : line_.substr(token.offset, token.length);
    }

    std::string type() {
        std::string text = accept("struct") ? nested("STRUCT", true) : accept("map") ? nested("MAP", false) : simple();
        while (accept("[")) {
            std::string size;
            if (!done() && current().kind == Kind::Number) size = tokens_[at_++].text;
            expect("]");
            text += "[" + size + "]";
        }
        return text;
    }

    /// The bytes between a '(' that comes next and its ')', and where they begin.
    std::pair<std::string, std::size_t> bracket() {
        expect("(");
        const auto from = done() ? line_.size() : current().offset;
        for (int depth = 1; !done(); ++at_) {
            if (sees("(")) ++depth;
            if (sees(")") && --depth == 0) {
                const auto to = tokens_[at_++].offset;
                return {line_.substr(from, to - from), from};
            }
        }
        fail("a '(' is not closed", "add the missing ')'");
    }

private:
    std::string nested(const char* kind, bool named) {
        if (++depth_ > deepest) fail("this type is nested too deeply", "json holds anything");
        expect("(");
        std::string text = std::string(kind) + "(";
        do {
            if (text.back() != '(') text += ", ";
            if (named) text += quote_identifier(name("the name of a member")) + " "; // as read_type has it: `end` is a word of SQL
            text += type();
        } while (accept(","));
        expect(")");
        --depth_;
        return text + ")";
    }

    std::string simple() {
        if (done() || current().kind != Kind::Word)
            fail("a type is missing here", "write 'text', 'int', 'decimal(9,4)', 'date' or 'timestamptz', for example");
        std::string text(duckdb_name(current().text));
        if (text.empty()) {
            const auto near = nearest(current().text, type_names());
            fail("'" + line_.substr(current().offset, current().length) + "' is no type",
                 near.empty() ? "the names are DuckDB's: text, int, bigint, decimal(9,4), date, timestamptz, boolean"
                              : "did you mean '" + near + "'?");
        }
        ++at_;
        if (text == "TIMESTAMP" && accept("with")) {
            expect("time");
            expect("zone");
            return "TIMESTAMP WITH TIME ZONE";
        }
        if (text == "DOUBLE") accept("precision");
        if (text == "DECIMAL") return text + (sees("(") ? decimal_size() : "(18,3)");
        if (text == "VARCHAR" && sees("(")) (void)bracket(); // a length, which DuckDB does not keep
        return text;
    }

    std::string decimal_size() {
        const auto open = at_;
        const auto [inside, from] = bracket();
        const auto comma = std::min(inside.find(','), inside.size());
        const auto number = [](std::string part) {
            std::erase(part, ' ');
            const bool digits = !part.empty() && part.size() <= 2 && part.find_first_not_of("0123456789") == std::string::npos;
            return digits ? std::stoi(part) : -1;
        };
        const int width = number(inside.substr(0, comma));
        const int scale = comma == inside.size() ? 0 : number(inside.substr(comma + 1));
        if (width < 1 || width > 38 || scale < 0 || scale > width)
            throw ColumnMistake("a decimal has 1 to 38 digits, of which some may be behind the point; '(" + inside +
                                    ")' says something else",
                                tokens_[open].offset, inside.size() + 2, "decimal(9,4) has 9 digits, 4 of them behind the point");
        return "(" + std::to_string(width) + "," + std::to_string(scale) + ")";
    }

    static constexpr int deepest = 60; ///< as YAML's own limit

    const std::string& line_;
    std::vector<SqlToken> tokens_;
    std::size_t at_ = 0;
    int depth_ = 0;
};

struct Line {
    ColumnSpec column;
    std::size_t check_at = std::string::npos;
};

/// Types of which none casts to one of another family. Text and JSON hold anything; what casts to several is Other.
enum class Family { Number, Moment, Nested, Other };

Family family_of(const std::string& type) {
    if (type.ends_with("]") || type.starts_with("STRUCT") || type.starts_with("MAP")) return Family::Nested;
    if (type == "DATE" || type.starts_with("TIMESTAMP")) return Family::Moment;
    for (const std::string_view number : {"INTEGER", "BIGINT", "SMALLINT", "TINYINT", "HUGEINT", "DECIMAL", "DOUBLE", "FLOAT"})
        if (type.starts_with(number) || (type.starts_with("U") && std::string_view(type).substr(1).starts_with(number)))
            return Family::Number;
    return Family::Other;
}

Line parse_line(const std::string& name, const std::string& line) {
    Reader reader(line);
    Line parsed;
    auto& column = parsed.column;
    column.name = name;
    column.type = reader.type();
    while (!reader.done()) {
        if (reader.accept("null")) {
            column.nullable = true;
        } else if (reader.accept("unique")) {
            column.unique = true;
        } else if (reader.accept("check")) {
            std::tie(column.check, parsed.check_at) = reader.bracket();
            if (column.check.empty()) reader.fail("`check ()` has no condition");
        } else if (reader.accept("references")) {
            column.references_task = reader.name("the name of a task");
            reader.expect("(");
            column.references_column = reader.name("the name of a column");
            reader.expect(")");
        } else if (reader.sees("not")) {
            reader.fail("'not null' is what every column is", "leave it out; write 'null' where NULL is allowed");
        } else {
            const auto near = nearest(reader.current().text, {"null", "unique", "check", "references"});
            reader.fail("'" + line.substr(reader.current().offset, reader.current().length) + "' has no meaning behind a type",
                        near.empty() ? "there may be null, unique, check (..) and references task(column)"
                                     : "did you mean '" + near + "'?");
        }
    }
    return parsed;
}

} // namespace

std::string canonical_type(const std::string& text) {
    Reader reader(text);
    auto type = reader.type();
    if (!reader.done()) reader.fail("only a type may stand here");
    return type;
}

ColumnSpec parse_column(const std::string& name, const std::string& line) { return parse_line(name, line).column; }

std::optional<TypeMistake> mixes_times(const std::string& from, const std::string& to) {
    const auto is_instant = [](const std::string& type) { return type == "TIMESTAMP WITH TIME ZONE"; };
    const auto is_local = [](const std::string& type) { return type.starts_with("TIMESTAMP") && type != "TIMESTAMP WITH TIME ZONE"; };
    if (is_local(from) && is_instant(to))
        return TypeMistake{
            "a local time is no instant",
            "say which zone it is of: the_time::timestamptz takes the flow's, timezone('America/Sao_Paulo', the_time) another"};
    if (from == "DATE" && is_instant(to))
        return TypeMistake{"a date is no instant",
                           "say which zone's midnight it is: the_date::timestamptz takes the flow's, timezone('America/Sao_Paulo', "
                           "the_date::timestamp) another"};
    if (is_instant(from) && is_local(to))
        return TypeMistake{
            "an instant is no local time",
            "say which zone's clock: the_instant::timestamp takes the flow's, timezone('America/Sao_Paulo', the_instant) another"};
    if (is_instant(from) && to == "DATE")
        return TypeMistake{
            "an instant is no date",
            "say which zone's calendar: the_instant::date takes the flow's, timezone('America/Sao_Paulo', the_instant)::date another"};
    return std::nullopt;
}

std::optional<TypeMistake> contradiction(const std::string& from, const std::string& to) {
    if (auto mistake = mixes_times(from, to)) return mistake;
    const auto given = family_of(from), wanted = family_of(to);
    if (given == Family::Other || wanted == Family::Other || given == wanted) return std::nullopt;
    constexpr std::array words{"a number", "a date or time", "a list or struct"};
    const auto said = [&](Family family) { return std::string(words[static_cast<std::size_t>(family)]); };
    return TypeMistake{said(given) + " is not " + said(wanted), "declare it as " + (given == Family::Nested ? "json" : type_words(from)) +
                                                                    ", or make it " + said(wanted) + " in the SQL"};
}

std::string null_key_remedy(const std::string& type) {
    std::string value;
    if (type == "VARCHAR") return "make it a value: coalesce(..., '')";
    if (family_of(type) == Family::Number) value = "-1";
    if (family_of(type) == Family::Moment)
        value = type == "DATE"                       ? "date '1900-01-01'"
                : type == "TIMESTAMP WITH TIME ZONE" ? "timestamptz '1900-01-01 00:00Z'"
                                                     : "timestamp '1900-01-01'";
    const std::string leave = "leave such rows out: where ... is not null";
    return value.empty() ? leave : leave + "; or make it a value that no row has: coalesce(..., " + value + ")";
}

std::size_t check_offset(const std::string& line) { return parse_line("", line).check_at; }

} // namespace millrace
