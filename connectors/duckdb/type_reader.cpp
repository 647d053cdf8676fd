#include "connectors/duckdb/type_reader.hpp"

#include "flows/sql_identifier.hpp"

namespace millrace::duckdb {
namespace {

const char* plain_name(TypeId id) {
    switch (id) {
    case TypeId::Boolean: return "BOOLEAN";
    case TypeId::TinyInt: return "TINYINT";
    case TypeId::SmallInt: return "SMALLINT";
    case TypeId::Integer: return "INTEGER";
    case TypeId::BigInt: return "BIGINT";
    case TypeId::UTinyInt: return "UTINYINT";
    case TypeId::USmallInt: return "USMALLINT";
    case TypeId::UInteger: return "UINTEGER";
    case TypeId::UBigInt: return "UBIGINT";
    case TypeId::Float: return "FLOAT";
    case TypeId::Double: return "DOUBLE";
    case TypeId::Timestamp: return "TIMESTAMP";
    case TypeId::Date: return "DATE";
    case TypeId::Time: return "TIME";
    case TypeId::Interval: return "INTERVAL";
    case TypeId::HugeInt: return "HUGEINT";
    case TypeId::Varchar: return "VARCHAR";
    case TypeId::Blob: return "BLOB";
    case TypeId::TimestampS: return "TIMESTAMP_S";
    case TypeId::TimestampMs: return "TIMESTAMP_MS";
    case TypeId::TimestampNs: return "TIMESTAMP_NS";
    case TypeId::Uuid: return "UUID";
    case TypeId::Bit: return "BIT";
    case TypeId::TimeTz: return "TIME WITH TIME ZONE";
    case TypeId::TimestampTz: return "TIMESTAMP WITH TIME ZONE";
    case TypeId::UHugeInt: return "UHUGEINT";
    case TypeId::BigNum: return "BIGNUM";
    case TypeId::SqlNull: return "\"NULL\"";
    case TypeId::TimeNs: return "TIME_NS";
    default: return "UNKNOWN";
    }
}

std::string take(char* text) {
    std::string out = text == nullptr ? "" : text;
    c::api().free(text);
    return out;
}

void read_struct(c::LogicalType handle, Type& type) {
    const c::Api& db = c::api();
    type.name = "STRUCT(";
    for (c::Index i = 0; i < db.struct_type_child_count(handle); ++i) {
        type.labels.push_back(take(db.struct_type_child_name(handle, i)));
        type.children.push_back(read_type(db.struct_type_child_type(handle, i)));
        type.name += (i == 0 ? "" : ", ") + quote_identifier(type.labels.back()) + " " + type.children.back().name;
    }
    type.name += ")";
}

void read_enum(c::LogicalType handle, Type& type) {
    const c::Api& db = c::api();
    type.physical = static_cast<TypeId>(db.enum_internal_type(handle));
    type.name = "ENUM(";
    for (std::uint32_t i = 0; i < db.enum_dictionary_size(handle); ++i) {
        type.labels.push_back(take(db.enum_dictionary_value(handle, i)));
        type.name += (i == 0 ? "" : ", ") + quote_literal(type.labels.back());
    }
    type.name += ")";
}

} // namespace

Type read_type(c::LogicalType handle) {
    const c::Api& db = c::api();
    Type type;
    type.id = static_cast<TypeId>(db.get_type_id(handle));
    switch (type.id) {
    case TypeId::Decimal:
        type.width = db.decimal_width(handle);
        type.scale = db.decimal_scale(handle);
        type.physical = static_cast<TypeId>(db.decimal_internal_type(handle));
        type.name = "DECIMAL(" + std::to_string(type.width) + "," + std::to_string(type.scale) + ")";
        break;
    case TypeId::Enum: read_enum(handle, type); break;
    case TypeId::List:
        type.children.push_back(read_type(db.list_type_child_type(handle)));
        type.name = type.children[0].name + "[]";
        break;
    case TypeId::Array:
        type.children.push_back(read_type(db.array_type_child_type(handle)));
        type.array_size = db.array_type_array_size(handle);
        type.name = type.children[0].name + "[" + std::to_string(type.array_size) + "]";
        break;
    case TypeId::Map:
        type.children.push_back(read_type(db.map_type_key_type(handle)));
        type.children.push_back(read_type(db.map_type_value_type(handle)));
        type.name = "MAP(" + type.children[0].name + ", " + type.children[1].name + ")";
        break;
    case TypeId::Struct: read_struct(handle, type); break;
    default: type.name = plain_name(type.id);
    }
    if (type.id == TypeId::Varchar && take(db.logical_type_get_alias(handle)) == "JSON") {
        type.is_json = true;
        type.name = "JSON";
    }
    db.destroy_logical_type(&handle);
    return type;
}

} // namespace millrace::duckdb
