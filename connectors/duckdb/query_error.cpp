#include "connectors/duckdb/query_error.hpp"

#include "connectors/full_disk.hpp"
#include "flows/json.hpp"

#include <charconv>

namespace millrace::duckdb {
namespace {

struct Classified {
    ErrorClass error_class;
    std::string remedy;
};

/// `Could not write file "/data/part.parquet": No space left on device`
std::string file_in(const std::string& text) {
    const auto begin = text.find('"');
    const auto end = begin == std::string::npos ? begin : text.find('"', begin + 1);
    return end == std::string::npos ? "" : text.substr(begin + 1, end - begin - 1);
}

Classified classify(const std::string& kind, const std::string& text) {
    const auto says = [&text](const char* words) { return text.find(words) != std::string::npos; };
    if (kind == "IO" && (says("No space left") || says("Disk quota"))) return {ErrorClass::Resource, full_disk_remedy(file_in(text))};
    if (kind == "Out of Memory")
        return {ErrorClass::Resource, "raise `memory` of the task, or let the SQL work on fewer columns or rows at once"};
    if (kind == "INTERRUPT" || kind == "Interrupt") return {ErrorClass::Cancelled, ""};
    if (kind == "Out of Range" && says("Overflow in"))
        return {ErrorClass::BadData, "cast to a wider type before it is computed, such as x::bigint, x::hugeint or x::decimal(38,9)"};
    if (kind == "Conversion" || kind == "Out of Range")
        return {ErrorClass::BadData, "leave the cast to `columns`, which names the rows that do not fit, or use try_cast"};
    if (says("according to format specifier"))
        return {ErrorClass::BadData, "write try_strptime(..), which is NULL where the text has another form"};
    if (kind == "IO") return {ErrorClass::Transient, "check the disk of the staging folder"};
    return {ErrorClass::Permanent, ""};
}

/// "Binder Error: text\n\nLINE 1: ..." -> kind and text.
QueryError from_prose(const std::string& text) {
    const std::size_t mark = text.find(" Error: ");
    const std::string kind = mark < 40 ? text.substr(0, mark) : "";
    const std::string body = text.substr(0, text.find("\n\nLINE "));
    const Classified as = classify(kind, body);
    QueryError error(as.error_class, body, as.remedy);
    error.kind = kind;
    return error;
}

std::string member(const Json& j, const char* name) {
    const auto found = j.find(name);
    return found != j.end() && found->is_string() ? found->get<std::string>() : "";
}

} // namespace

QueryError make_query_error(const std::string& text) {
    const std::size_t brace = text.find('{'); // the parser puts "Parser Error: " in front
    const Json j = brace == std::string::npos || brace > 40 ? Json() : Json::parse(text.substr(brace), nullptr, false);
    if (!j.is_object() || !j.contains("exception_message")) return from_prose(text);
    const std::string kind = member(j, "exception_type");
    const std::string message = member(j, "exception_message");
    const Classified as = classify(kind, message);
    QueryError error(as.error_class, message, as.remedy);
    error.kind = kind;
    const std::string position = member(j, "position");
    std::from_chars(position.data(), position.data() + position.size(), error.offset);
    const std::string type = member(j, "type");
    if (member(j, "error_subtype") == "MISSING_ENTRY" && (type == "Table" || type == "View" || type.empty()))
        error.missing_table = member(j, "name");
    return error;
}

std::string remedy_without_contract(const QueryError& e) {
    const bool is_cast = e.remedy.starts_with("leave the cast to ");
    return is_cast ? "use try_cast, which is NULL where a value does not fit" : e.remedy;
}

Error told_of(const QueryError& e, const std::string& key) {
    return Error(e.error_class, key + ": " + e.what(), remedy_without_contract(e));
}

} // namespace millrace::duckdb
