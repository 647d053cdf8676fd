#include "connectors/targets/postgres/field.hpp"

#include "flows/error.hpp"
#include "flows/sql_identifier.hpp"
#include "flows/type_names.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <limits>

namespace millrace::postgres {
namespace {

using duckdb::Int128;
using duckdb::Type;
using duckdb::TypeId;
using duckdb::UInt128;
using duckdb::VectorView;

// Fixed numbers of PostgreSQL's built-in types.
enum Oid : std::uint32_t {
    boolean = 16,
    bytea = 17,
    int8 = 20,
    int2 = 21,
    int4 = 23,
    text = 25,
    float4 = 700,
    float8 = 701,
    bpchar = 1042,
    varchar = 1043,
    date = 1082,
    time = 1083,
    timestamp = 1114,
    timestamptz = 1184,
    numeric = 1700,
    uuid = 2950,
    jsonb = 3802,
};

constexpr std::int64_t epoch_difference_days = 10957; ///< 1970-01-01 to 2000-01-01
constexpr std::int64_t epoch_difference_micros = epoch_difference_days * 86400000000;

template <class Unsigned>
void append_big_endian(std::string& out, Unsigned v) {
    char bytes[sizeof v];
    for (std::size_t i = 0; i < sizeof v; ++i) bytes[i] = static_cast<char>(v >> (8 * (sizeof v - 1 - i)));
    out.append(bytes, sizeof v);
}

/// Digits before the point that an integer or decimal may have; -1: no such type.
int whole_digits(const Type& type) {
    switch (type.id) {
    case TypeId::TinyInt:
    case TypeId::UTinyInt: return 3;
    case TypeId::SmallInt:
    case TypeId::USmallInt: return 5;
    case TypeId::Integer:
    case TypeId::UInteger: return 10;
    case TypeId::BigInt: return 19;
    case TypeId::UBigInt: return 20;
    case TypeId::Decimal: return type.width - type.scale;
    default: return -1;
    }
}

bool is_nested(const Type& type) { return !type.children.empty() || type.is_json; }

Int128 integer_value(const VectorView& v, std::uint64_t row) {
    switch (v.type().id) {
    case TypeId::TinyInt: return v.data<std::int8_t>()[row];
    case TypeId::UTinyInt: return v.data<std::uint8_t>()[row];
    case TypeId::SmallInt: return v.data<std::int16_t>()[row];
    case TypeId::USmallInt: return v.data<std::uint16_t>()[row];
    case TypeId::Integer: return v.data<std::int32_t>()[row];
    case TypeId::UInteger: return v.data<std::uint32_t>()[row];
    case TypeId::BigInt: return v.data<std::int64_t>()[row];
    case TypeId::UBigInt: return v.data<std::uint64_t>()[row];
    default: return duckdb::decimal_digits(v, row);
    }
}

double real_value(const VectorView& v, std::uint64_t row) {
    if (v.type().id == TypeId::Double) return v.data<double>()[row];
    if (v.type().id == TypeId::Float) return static_cast<double>(v.data<float>()[row]);
    return static_cast<double>(integer_value(v, row));
}

/// numeric_send's form: digits of base 10000 without zeros at either end.
void append_numeric(std::string& out, Int128 value, int scale) {
    const bool negative = value < 0;
    UInt128 magnitude = negative ? -static_cast<UInt128>(value) : static_cast<UInt128>(value);
    std::int16_t digits[16];
    int n = 0, weight = -((scale + 3) / 4) - 1;
    const auto take = [&](unsigned base, unsigned filled_up) {
        const auto digit = static_cast<std::int16_t>(static_cast<unsigned>(magnitude % base) * filled_up);
        if (n > 0 || digit != 0) digits[n++] = digit;
        magnitude /= base;
        ++weight;
    };
    if (magnitude != 0 && scale % 4 != 0) scale % 4 == 1 ? take(10, 1000) : scale % 4 == 2 ? take(100, 100) : take(1000, 10);
    while (magnitude != 0) take(10000, 1);
    append_int32(out, 8 + 2 * n);
    append_int16(out, static_cast<std::int16_t>(n));
    append_int16(out, static_cast<std::int16_t>(n == 0 ? 0 : weight));
    append_int16(out, static_cast<std::int16_t>(negative ? 0x4000 : 0));
    append_int16(out, static_cast<std::int16_t>(scale));
    while (n > 0) append_int16(out, digits[--n]);
}

void append_text(std::string& out, std::string_view text, const VectorView& v) {
    if (std::memchr(text.data(), 0, text.size()) != nullptr && v.type().id != TypeId::Blob)
        throw Error(ErrorClass::BadData,
                    "a text contains the character NUL, which PostgreSQL cannot hold: '" +
                        std::string(text.substr(0, std::min<std::size_t>(text.find('\0'), 100))) + "...'",
                    "remove it in a transform: replace(column, chr(0), '')");
    append_int32(out, static_cast<std::int32_t>(text.size()));
    out.append(text);
}

/// The first \u escape that jsonb refuses: NUL, or half of a surrogate pair without the other. Empty: there is none.
std::string_view refused_escape(std::string_view json) {
    constexpr std::size_t length = 6;  // \uXXXX
    constexpr unsigned none = 0x10000; // another escape, or no such unit
    const auto unit = [&](std::size_t at) -> unsigned {
        unsigned v = 0;
        if (json.size() < at + length) return none;
        const char* end = json.data() + at + length;
        const bool escape = json[at] == '\\' && json[at + 1] == 'u' && std::from_chars(end - 4, end, v, 16).ptr == end;
        return escape ? v : none;
    };
    for (std::size_t at = json.find('\\'); at < json.size(); at = json.find('\\', at)) {
        const unsigned v = unit(at);
        const bool high = v >= 0xd800 && v < 0xdc00, low = v >= 0xdc00 && v < 0xe000;
        const unsigned next = high ? unit(at + length) : 0;
        const bool paired = high && next >= 0xdc00 && next < 0xe000;
        if (v == 0 || low || (high && !paired)) return json.substr(at, length);
        at += v == none ? 2 : paired ? 2 * length : length;
    }
    return {};
}

void append_jsonb(std::string& out, std::string_view document) {
    if (const std::string_view escape = refused_escape(document); !escape.empty())
        throw Error(ErrorClass::BadData, "a JSON document contains " + std::string(escape) + ", which PostgreSQL cannot hold",
                    "replace it in a transform, or load the document as text");
    append_int32(out, static_cast<std::int32_t>(document.size()) + 1);
    out += '\1';
    out += document;
}

/// Microseconds since 2000; infinity has the same form on both sides.
std::int64_t timestamp_value(const VectorView& v, std::uint64_t row) {
    constexpr std::int64_t infinity = std::numeric_limits<std::int64_t>::max();
    std::int64_t t = 0;
    switch (v.type().id) {
    case TypeId::Date: {
        const std::int32_t days = v.data<std::int32_t>()[row];
        if (days == std::numeric_limits<std::int32_t>::max()) return infinity;
        if (days == -std::numeric_limits<std::int32_t>::max()) return std::numeric_limits<std::int64_t>::min();
        t = days * 86400000000;
        break;
    }
    case TypeId::TimestampS: t = v.data<std::int64_t>()[row] * 1000000; break;
    case TypeId::TimestampMs: t = v.data<std::int64_t>()[row] * 1000; break;
    case TypeId::TimestampNs: t = v.data<std::int64_t>()[row] / 1000; break;
    default: t = v.data<std::int64_t>()[row];
    }
    if (t == infinity) return infinity;
    if (t == -infinity) return std::numeric_limits<std::int64_t>::min();
    return t - epoch_difference_micros;
}

std::int32_t date_value(std::int32_t days) {
    if (days == std::numeric_limits<std::int32_t>::max()) return days;
    if (days == -std::numeric_limits<std::int32_t>::max()) return std::numeric_limits<std::int32_t>::min();
    return days - static_cast<std::int32_t>(epoch_difference_days);
}

bool fits_numeric(const Type& from, int modifier) {
    if (whole_digits(from) < 0) return false;
    if (modifier < 0) return true;
    const int precision = (modifier - 4) >> 16 & 0xffff, scale = (modifier - 4) & 0x7ff;
    const int needs = from.id == TypeId::Decimal ? from.scale : 0;
    return scale >= needs && precision - scale >= whole_digits(from);
}

bool is_timestamp(TypeId id) {
    return id == TypeId::Timestamp || id == TypeId::TimestampS || id == TypeId::TimestampMs || id == TypeId::TimestampNs;
}

bool is_signed_up_to(const Type& from, int digits) {
    switch (from.id) {
    case TypeId::TinyInt:
    case TypeId::UTinyInt: return true;
    case TypeId::SmallInt: return true;
    case TypeId::USmallInt:
    case TypeId::Integer: return digits >= 10;
    case TypeId::UInteger:
    case TypeId::BigInt: return digits >= 19;
    default: return false;
    }
}

} // namespace

void append_int16(std::string& out, std::int16_t v) { append_big_endian(out, static_cast<std::uint16_t>(v)); }
void append_int32(std::string& out, std::int32_t v) { append_big_endian(out, static_cast<std::uint32_t>(v)); }
void append_int64(std::string& out, std::int64_t v) { append_big_endian(out, static_cast<std::uint64_t>(v)); }

std::int64_t read_int64(const char* bytes) {
    std::uint64_t v = 0;
    for (int i = 0; i < 8; ++i) v = v << 8 | static_cast<unsigned char>(bytes[i]);
    return static_cast<std::int64_t>(v);
}

std::string new_column_type(const Type& type) {
    if (is_nested(type)) return "jsonb";
    switch (type.id) {
    case TypeId::Boolean: return "boolean";
    case TypeId::TinyInt:
    case TypeId::UTinyInt:
    case TypeId::SmallInt: return "smallint";
    case TypeId::USmallInt:
    case TypeId::Integer: return "integer";
    case TypeId::UInteger:
    case TypeId::BigInt: return "bigint";
    case TypeId::UBigInt: return "numeric(20,0)";
    case TypeId::Decimal: return "numeric(" + std::to_string(type.width) + "," + std::to_string(type.scale) + ")";
    case TypeId::Float: return "real";
    case TypeId::Double: return "double precision";
    case TypeId::Date: return "date";
    case TypeId::Time: return "time without time zone";
    case TypeId::Timestamp:
    case TypeId::TimestampS:
    case TypeId::TimestampMs:
    case TypeId::TimestampNs: return "timestamp without time zone";
    case TypeId::TimestampTz: return "timestamp with time zone";
    case TypeId::Uuid: return "uuid";
    case TypeId::Blob: return "bytea";
    default: return "text";
    }
}

Wire wire_for(const std::string& table, const std::string& quoted, const Type& from, const TargetColumn& to) {
    const auto refuse = [&]() -> Wire {
        const bool is_text = to.oid == text || to.oid == varchar || to.oid == bpchar;
        const std::string column = quote_identifier(to.name), type = new_column_type(from);
        throw Error(ErrorClass::Permanent,
                    "column " + to.name + " of " + table + " is " + to.type + ", and " +
                        (is_text ? "the dataset has " + type_words(from.name) + ", which is compared and written as such, never as text"
                                 : "not every " + type_words(from.name) + " of the dataset fits into it"),
                    "cast the column in the transform or its contract, or change the table: ALTER TABLE " + quoted + " ALTER COLUMN " +
                        column + " TYPE " + type + " USING " + column + "::" + type);
    };
    const TypeId id = from.id;
    switch (to.oid) {
    case boolean: return id == TypeId::Boolean ? Wire::Bool : refuse();
    case int2: return is_signed_up_to(from, 5) ? Wire::Int2 : refuse();
    case int4: return is_signed_up_to(from, 10) ? Wire::Int4 : refuse();
    case int8: return is_signed_up_to(from, 19) ? Wire::Int8 : refuse();
    case float4: return id == TypeId::Float || is_signed_up_to(from, 5) ? Wire::Float4 : refuse();
    case float8:
        return id == TypeId::Double || id == TypeId::Float || is_signed_up_to(from, 10) || id == TypeId::UInteger ? Wire::Float8 : refuse();
    case numeric: return fits_numeric(from, to.modifier) ? Wire::Numeric : refuse();
    case text:
    case varchar:
    case bpchar:
        return id == TypeId::Varchar || id == TypeId::Enum || (id == TypeId::Uuid && to.modifier < 0) || is_nested(from) ? Wire::Text
                                                                                                                         : refuse();
    case jsonb: return is_nested(from) ? Wire::Jsonb : refuse();
    case bytea: return id == TypeId::Blob ? Wire::Bytea : refuse();
    case date: return id == TypeId::Date ? Wire::Date : refuse();
    case time: return id == TypeId::Time && to.modifier < 0 ? Wire::Time : refuse();
    case timestamp: return (is_timestamp(id) || id == TypeId::Date) && to.modifier < 0 ? Wire::Timestamp : refuse();
    case timestamptz: return id == TypeId::TimestampTz && to.modifier < 0 ? Wire::Timestamp : refuse();
    case uuid: return id == TypeId::Uuid ? Wire::Uuid : refuse();
    default: return refuse();
    }
}

void append_field(std::string& out, const VectorView& v, std::uint64_t row, Wire wire) {
    if (v.is_null(row)) return append_int32(out, -1);
    switch (wire) {
    case Wire::Bool:
        append_int32(out, 1);
        out += static_cast<char>(v.data<bool>()[row] ? 1 : 0);
        break;
    case Wire::Int2:
        append_int32(out, 2);
        append_int16(out, static_cast<std::int16_t>(integer_value(v, row)));
        break;
    case Wire::Int4:
        append_int32(out, 4);
        append_int32(out, static_cast<std::int32_t>(integer_value(v, row)));
        break;
    case Wire::Int8:
        append_int32(out, 8);
        append_int64(out, static_cast<std::int64_t>(integer_value(v, row)));
        break;
    case Wire::Float4:
        append_int32(out, 4);
        append_int32(out, std::bit_cast<std::int32_t>(static_cast<float>(real_value(v, row))));
        break;
    case Wire::Float8:
        append_int32(out, 8);
        append_int64(out, std::bit_cast<std::int64_t>(real_value(v, row)));
        break;
    case Wire::Numeric: append_numeric(out, integer_value(v, row), v.type().scale); break;
    case Wire::Text:
        if (v.type().id == TypeId::Varchar)
            append_text(out, v.text(row), v);
        else
            append_text(out, v.display(row), v);
        break;
    case Wire::Jsonb:
        if (v.type().is_json)
            append_jsonb(out, v.text(row));
        else
            append_jsonb(out, v.json_text(row));
        break;
    case Wire::Bytea: append_text(out, v.text(row), v); break;
    case Wire::Date:
        append_int32(out, 4);
        append_int32(out, date_value(v.data<std::int32_t>()[row]));
        break;
    case Wire::Time:
        append_int32(out, 8);
        append_int64(out, v.data<std::int64_t>()[row]);
        break;
    case Wire::Timestamp:
        append_int32(out, 8);
        append_int64(out, timestamp_value(v, row));
        break;
    case Wire::Uuid:
        append_int32(out, 16);
        append_int64(out, static_cast<std::int64_t>(v.data<std::uint64_t>()[2 * row + 1] ^ (std::uint64_t{1} << 63)));
        append_int64(out, static_cast<std::int64_t>(v.data<std::uint64_t>()[2 * row]));
        break;
    }
}

} // namespace millrace::postgres
