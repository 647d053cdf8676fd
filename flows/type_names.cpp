#include "flows/type_names.hpp"

#include "flows/letters.hpp"
#include "flows/sql_scan.hpp"

#include <algorithm>
#include <array>
#include <cctype>

namespace millrace {
namespace {

using Kind = SqlToken::Kind;

struct TypeName {
    std::string_view name;
    std::string_view duckdb; ///< as DuckDB spells it
};

/// The first of those that mean the same is the language's own word.
constexpr std::array<TypeName, 52> names{{
    {"text", "VARCHAR"},
    {"varchar", "VARCHAR"},
    {"string", "VARCHAR"},
    {"char", "VARCHAR"},
    {"bpchar", "VARCHAR"},
    {"int", "INTEGER"},
    {"integer", "INTEGER"},
    {"int4", "INTEGER"},
    {"int32", "INTEGER"},
    {"signed", "INTEGER"},
    {"bigint", "BIGINT"},
    {"int8", "BIGINT"},
    {"int64", "BIGINT"},
    {"long", "BIGINT"},
    {"smallint", "SMALLINT"},
    {"int2", "SMALLINT"},
    {"int16", "SMALLINT"},
    {"short", "SMALLINT"},
    {"tinyint", "TINYINT"},
    {"int1", "TINYINT"},
    {"hugeint", "HUGEINT"},
    {"int128", "HUGEINT"},
    {"uhugeint", "UHUGEINT"},
    {"utinyint", "UTINYINT"},
    {"usmallint", "USMALLINT"},
    {"uinteger", "UINTEGER"},
    {"ubigint", "UBIGINT"},
    {"bool", "BOOLEAN"},
    {"boolean", "BOOLEAN"},
    {"logical", "BOOLEAN"},
    {"decimal", "DECIMAL"},
    {"numeric", "DECIMAL"},
    {"dec", "DECIMAL"},
    {"double", "DOUBLE"},
    {"float8", "DOUBLE"},
    {"float", "FLOAT"},
    {"real", "FLOAT"},
    {"float4", "FLOAT"},
    {"date", "DATE"},
    {"time", "TIME"},
    {"timestamp", "TIMESTAMP"},
    {"datetime", "TIMESTAMP"},
    {"timestamptz", "TIMESTAMP WITH TIME ZONE"},
    {"interval", "INTERVAL"},
    {"uuid", "UUID"},
    {"blob", "BLOB"},
    {"bytea", "BLOB"},
    {"binary", "BLOB"},
    {"json", "JSON"},
    {"timestamp_ms", "TIMESTAMP_MS"},
    {"timestamp_s", "TIMESTAMP_S"},
    {"timestamp_ns", "TIMESTAMP_NS"},
}};

/// DuckDB calls the type of 1 integer_literal.
std::string_view without_literal(std::string_view word) {
    constexpr std::string_view literal = "_literal";
    return word.ends_with(literal) && word.size() > literal.size() ? word.substr(0, word.size() - literal.size()) : word;
}

/// Our word for one of DuckDB's, or for another name of it; itself where there is none.
std::string our_word(std::string_view word) {
    const auto duckdb = duckdb_name(without_literal(word));
    const auto own = std::find_if(names.begin(), names.end(), [&](const TypeName& t) { return t.duckdb == duckdb; });
    return std::string(own == names.end() ? word : own->name);
}

/// A member of a struct, in quotes only where it needs them.
std::string member_name(const SqlToken& token, std::string_view written) {
    const bool plain =
        token.kind == Kind::Quoted && !token.text.empty() && std::isdigit(static_cast<unsigned char>(token.text[0])) == 0 &&
        std::all_of(token.text.begin(), token.text.end(), [](unsigned char c) { return c == '_' || (c < 0x80 && std::isalnum(c) != 0); });
    return plain ? token.text : std::string(written);
}

} // namespace

std::string_view duckdb_name(std::string_view word) {
    const auto found = std::find_if(names.begin(), names.end(), [&](const TypeName& t) { return t.name == word; });
    return found == names.end() ? std::string_view() : found->duckdb;
}

std::vector<std::string> type_names() {
    std::vector<std::string> out;
    for (const auto& t : names) out.emplace_back(t.name);
    return out;
}

std::string type_words(std::string_view type) {
    const auto tokens = scan_sql(type);
    const auto is = [&](std::size_t i, std::string_view symbol) { return tokens[i].kind == Kind::Symbol && tokens[i].text == symbol; };
    std::vector<bool> in_struct; // for each bracket that is open
    std::string out;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        const auto& token = tokens[i];
        const auto written = type.substr(token.offset, token.length);
        const bool begins_member = i > 0 && (is(i - 1, "(") || is(i - 1, ",")) && !in_struct.empty() && in_struct.back();
        const bool of_zone = token.kind == Kind::Word && token.text == "with" && !begins_member; // TIMESTAMP WITH TIME ZONE
        if (i > 0 && tokens[i - 1].offset + tokens[i - 1].length < token.offset && !of_zone) out += ' ';
        if (is(i, "(")) in_struct.push_back(i > 0 && tokens[i - 1].text == "struct");
        if (is(i, ")") && !in_struct.empty()) in_struct.pop_back();
        if (begins_member)
            out += member_name(token, written);
        else if (of_zone)
            out += "tz", i += 2;
        else
            out += token.kind == Kind::Word ? our_word(token.text) : std::string(written);
    }
    return out;
}

std::string shown_type(std::string_view type) {
    constexpr std::size_t longest = 40;
    auto words = type_words(type);
    return words.size() <= longest ? words : words.substr(0, longest - 3) + "...";
}

std::string with_type_words(std::string_view text) {
    const auto is_of_name = [](char c) { return c == '_' || std::isalnum(static_cast<unsigned char>(c)) != 0; };
    constexpr std::string_view zone = " WITH TIME ZONE";
    std::string out;
    for (std::size_t at = 0, end = 0; at < text.size(); at = end) {
        end = at;
        while (end < text.size() && is_of_name(text[end])) ++end;
        if (end == at) {
            out += text[end++];
            continue;
        }
        const auto name = text.substr(at, end - at);
        const auto word = lower_case(name);
        const bool is_type = name == upper_case(name) && !duckdb_name(without_literal(word)).empty(),
                   of_zone = is_type && text.substr(end).starts_with(zone);
        out += is_type ? our_word(word) + (of_zone ? "tz" : "") : std::string(name);
        if (of_zone) end += zone.size();
    }
    return out;
}

} // namespace millrace
