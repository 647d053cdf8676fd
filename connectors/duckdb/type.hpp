/// A column type of DuckDB, described once so that readers of vectors need not ask again.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::duckdb {

__extension__ typedef __int128 Int128;           // NOLINT(modernize-use-using): only a typedef takes __extension__
__extension__ typedef unsigned __int128 UInt128; // NOLINT(modernize-use-using)

/// The numbers of DuckDB's C API.
enum class TypeId : int {
    Invalid = 0,
    Boolean = 1,
    TinyInt = 2,
    SmallInt = 3,
    Integer = 4,
    BigInt = 5,
    UTinyInt = 6,
    USmallInt = 7,
    UInteger = 8,
    UBigInt = 9,
    Float = 10,
    Double = 11,
    Timestamp = 12,
    Date = 13,
    Time = 14,
    Interval = 15,
    HugeInt = 16,
    Varchar = 17,
    Blob = 18,
    Decimal = 19,
    TimestampS = 20,
    TimestampMs = 21,
    TimestampNs = 22,
    Enum = 23,
    List = 24,
    Struct = 25,
    Map = 26,
    Uuid = 27,
    Union = 28,
    Bit = 29,
    TimeTz = 30,
    TimestampTz = 31,
    UHugeInt = 32,
    Array = 33,
    Any = 34,
    BigNum = 35,
    SqlNull = 36,
    TimeNs = 39,
};

struct Type {
    TypeId id = TypeId::Invalid;
    std::string name;                  ///< DuckDB's spelling, "DECIMAL(9,4)", "STRUCT(a INTEGER, b VARCHAR[])"
    int width = 0, scale = 0;          ///< of a decimal
    TypeId physical = TypeId::Invalid; ///< how a decimal or an enum is stored
    std::uint64_t array_size = 0;
    bool is_json = false;            ///< VARCHAR that holds a JSON document
    std::vector<std::string> labels; ///< of an enum, or the field names of a struct
    std::vector<Type> children;      ///< of a list or array (one), struct (fields), map (key, value)
};

struct Column {
    std::string name;
    Type type;
};

} // namespace millrace::duckdb
