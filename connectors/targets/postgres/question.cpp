#include "connectors/targets/postgres/question.hpp"

#include "connectors/one_line.hpp"
#include "flows/sql_scan.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <map>

namespace millrace::postgres {
namespace {

constexpr std::string_view longest_poll = "5min";
constexpr std::string_view cursor = "DECLARE millrace_wait NO SCROLL CURSOR FOR ";
constexpr std::size_t longest_told = 100;
constexpr Oid bool_type = 16;
constexpr std::array<Oid, 7> number_types{20, 21, 23, 26, 700, 701, 1700}; ///< int8, int2, int4, oid, float4, float8, numeric

std::string cast_of(const Question::Value& value) {
    if (value.list) return "::text[]";
    if (value.type == "int") return "::bigint";
    if (value.type == "decimal") return "::numeric";
    if (value.type == "bool") return "::boolean";
    if (value.type == "date") return "::date";
    if (value.type == "timestamptz") return "::timestamptz";
    return {};
}

/// The byte where the character begins that the server counts as number `position` of the statement.
std::size_t byte_of(const std::string& statement, int position) {
    std::size_t at = 0;
    const auto continues = [&] { return at < statement.size() && (static_cast<unsigned char>(statement[at]) & 0xC0) == 0x80; };
    for (int n = 1; n < position && at < statement.size(); ++n)
        for (++at; continues();) ++at;
    return at;
}

bool is_zero(const std::string& number) {
    const auto end = number.find_first_of("eE");
    return number.find_first_of("123456789") >= std::min(end, number.size()) && number.find_first_of("NI") == std::string::npos;
}

Answer answer_in(const Rows& rows) {
    if (rows.empty()) return {false, "no row"};
    if (rows.is_null(0, 0)) return {false, "NULL"};
    const std::string text = rows.text(0, 0);
    const Oid type = rows.type(0);
    if (type == bool_type) return {text == "t", text == "t" ? "true" : "false"};
    if (std::find(number_types.begin(), number_types.end(), type) != number_types.end()) return {!is_zero(text), text};
    return text.empty() ? Answer{false, "an empty text"} : Answer{true, one_line(text, longest_told)};
}

/// What the server says of a statement, about the query in it.
[[noreturn]] void refuse(const SqlError& e, const PlacedQuery& query, const std::string& statement) {
    Error told = e;
    if (e.error_class == ErrorClass::BadData) told = Error(ErrorClass::BadData, e.what(), "correct the query, or what it reads");
    if (e.sqlstate == "25006") told = Error(ErrorClass::Permanent, e.what(), "what is waited for is only looked at: let a task write");
    if (e.sqlstate == "57014")
        told = Error(ErrorClass::Timeout, "the query took longer than five minutes, or somebody cancelled it",
                     "an index, or a table of what is done, makes it a short one");
    std::optional<std::size_t> offset;
    if (const auto at = byte_of(statement, e.position); e.position > 0 && at >= cursor.size())
        offset = query.written_at(at - cursor.size());
    throw QuestionRefused(told, offset);
}

} // namespace

std::size_t PlacedQuery::written_at(std::size_t here) const {
    auto next = std::find_if(parts.begin(), parts.end(), [&](const auto& part) { return part.first > here; });
    if (next == parts.begin()) return here;
    const auto& [begin, written] = *std::prev(next);
    const std::size_t end = next == parts.end() ? std::string::npos : next->second;
    return std::min(written + here - begin, end);
}

PlacedQuery placed(const Question& question) {
    PlacedQuery out;
    std::map<std::string, std::string> places; // one name, one place
    std::size_t done = 0;
    const auto keep_to = [&](std::size_t end) {
        out.parts.emplace_back(out.sql.size(), done);
        out.sql += question.sql.substr(done, end - done);
        done = end;
    };
    for (const SqlToken& token : scan_sql(question.sql)) {
        if (token.kind != SqlToken::Kind::Parameter) continue;
        const auto value = question.values.find(token.text);
        if (value == question.values.end()) throw Error(ErrorClass::Permanent, "$" + token.text + " has no value here");
        auto [place, fresh] = places.try_emplace(token.text);
        if (fresh) {
            const auto& [text, list, type] = value->second;
            out.params.push_back(list ? array_literal(*list) : text);
            place->second = "$" + std::to_string(out.params.size()) + cast_of(value->second);
        }
        keep_to(token.offset);
        out.parts.emplace_back(out.sql.size(), token.offset);
        out.sql += place->second;
        done = token.offset + token.length;
    }
    keep_to(question.sql.size());
    return out;
}

Answer answer_of(Session& session, const Question& question) {
    const PlacedQuery query = placed(question);
    const std::string statement = std::string(cursor) + query.sql;
    session.run("SELECT set_config('application_name', $1, false), set_config('statement_timeout', $2, false)",
                {question.asker, std::string(longest_poll)});
    try {
        session.run("BEGIN READ ONLY");
        session.run(statement, query.params);
        const Rows rows = session.run("FETCH 1 FROM millrace_wait");
        if (rows.columns() == 0) throw Error(ErrorClass::Permanent, "the query gives no column", "select 1, or what is to be looked at");
        return answer_in(rows);
    } catch (const SqlError& e) {
        refuse(e, query, statement);
    }
}

} // namespace millrace::postgres
