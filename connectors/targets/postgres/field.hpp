/// One column on its way: which PostgreSQL type a DuckDB type becomes, whether every value of it fits a column that exists, and
/// its binary form in COPY.
#pragma once

#include "connectors/duckdb/result.hpp"

#include <cstdint>
#include <string>

namespace millrace::postgres {

/// Forms of COPY's binary format that we write.
enum class Wire { Bool, Int2, Int4, Int8, Float4, Float8, Numeric, Text, Jsonb, Bytea, Date, Time, Timestamp, Uuid };

/// A column of the target as the catalog has it.
struct TargetColumn {
    std::string name;
    std::string type; ///< format_type: "numeric(9,4)", "timestamp with time zone"
    std::uint32_t oid = 0;
    int modifier = -1; ///< atttypmod
    bool not_null = false;
    bool fills_itself = false; ///< it has a default, or is generated
};

/// The type of a new column for values of a dataset's type: "numeric(9,4)", "text", "jsonb".
[[nodiscard]] std::string new_column_type(const duckdb::Type& type);

/// How values of `from` are written into that column. Throws Error{Permanent} when it cannot hold all of them: a retyped column.
/// `table` is its name for people, `quoted` for SQL.
[[nodiscard]] Wire wire_for(const std::string& table, const std::string& quoted, const duckdb::Type& from, const TargetColumn& to);

/// Appends COPY's field: a length of four bytes and the value; NULL has the length -1.
/// Throws Error{BadData} for what PostgreSQL cannot hold: a text with NUL, and in JSON also half of a surrogate pair.
void append_field(std::string& out, const duckdb::VectorView& column, std::uint64_t row, Wire wire);

void append_int16(std::string& out, std::int16_t v);
void append_int32(std::string& out, std::int32_t v);
void append_int64(std::string& out, std::int64_t v);
[[nodiscard]] std::int64_t read_int64(const char* bytes);

} // namespace millrace::postgres
