#include "connectors/duckdb/result.hpp"

#include "connectors/duckdb/api.hpp"
#include "connectors/duckdb/query_error.hpp"
#include "connectors/duckdb/type_reader.hpp"

#include <cmath>

namespace millrace::duckdb {
namespace {

/// JSON has no numbers for NaN and the infinities: they are text, as PostgreSQL's to_json writes them, and no null.
Json number_json(double value) {
    if (std::isfinite(value)) return value;
    return std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
}

} // namespace

struct Result::Handle {
    c::Result value;
};

VectorView::VectorView(void* vector, const Type& type) : vector_(vector), type_(&type) {
    const auto v = static_cast<c::Vector>(vector);
    data_ = c::api().vector_get_data(v);
    validity_ = c::api().vector_get_validity(v);
}

std::string_view VectorView::text(std::uint64_t row) const {
    const c::String& s = data<c::String>()[row];
    return {s.inlined.length <= 12 ? s.inlined.bytes : s.pointer.data, s.inlined.length};
}

/// Lists, arrays, structs and maps.
Json VectorView::nested(std::uint64_t row) const {
    const c::Api& db = c::api();
    const auto v = static_cast<c::Vector>(vector_);
    if (type_->id == TypeId::Struct) {
        Json out = Json::object();
        for (std::size_t i = 0; i < type_->children.size(); ++i)
            out[type_->labels[i]] = VectorView(db.struct_vector_get_child(v, i), type_->children[i]).json(row);
        return out;
    }
    if (type_->id == TypeId::Array) {
        const VectorView child(db.array_vector_get_child(v), type_->children[0]);
        Json out = Json::array();
        for (std::uint64_t i = 0; i < type_->array_size; ++i) out.push_back(child.json(row * type_->array_size + i));
        return out;
    }
    const c::ListEntry entry = data<c::ListEntry>()[row];
    const c::Vector items = db.list_vector_get_child(v);
    if (type_->id == TypeId::Map) {
        const VectorView keys(db.struct_vector_get_child(items, 0), type_->children[0]);
        const VectorView values(db.struct_vector_get_child(items, 1), type_->children[1]);
        Json out = Json::object();
        for (std::uint64_t i = entry.offset; i < entry.offset + entry.length; ++i) out[keys.display(i)] = values.json(i);
        return out;
    }
    const VectorView child(items, type_->children[0]);
    Json out = Json::array();
    for (std::uint64_t i = entry.offset; i < entry.offset + entry.length; ++i) out.push_back(child.json(i));
    return out;
}

Json VectorView::json(std::uint64_t row) const {
    if (is_null(row)) return nullptr;
    switch (type_->id) {
    case TypeId::Boolean: return data<bool>()[row];
    case TypeId::TinyInt: return data<std::int8_t>()[row];
    case TypeId::SmallInt: return data<std::int16_t>()[row];
    case TypeId::Integer: return data<std::int32_t>()[row];
    case TypeId::BigInt: return data<std::int64_t>()[row];
    case TypeId::UTinyInt: return data<std::uint8_t>()[row];
    case TypeId::USmallInt: return data<std::uint16_t>()[row];
    case TypeId::UInteger: return data<std::uint32_t>()[row];
    case TypeId::UBigInt: return data<std::uint64_t>()[row];
    case TypeId::Float: return number_json(data<float>()[row]);
    case TypeId::Double: return number_json(data<double>()[row]);
    case TypeId::List:
    case TypeId::Array:
    case TypeId::Map:
    case TypeId::Struct: return nested(row);
    case TypeId::Varchar:
        if (type_->is_json) {
            Json parsed = Json::parse(text(row), nullptr, false);
            if (!parsed.is_discarded()) return parsed;
        }
        return text(row);
    default: return display(row);
    }
}

Chunk::Chunk(void* handle, const std::vector<Column>& columns) : handle_(handle) {
    const auto chunk = static_cast<c::Chunk>(handle);
    rows_ = c::api().data_chunk_get_size(chunk);
    vectors_.reserve(columns.size());
    for (std::size_t i = 0; i < columns.size(); ++i) vectors_.emplace_back(c::api().data_chunk_get_vector(chunk, i), columns[i].type);
}

Chunk::Chunk(Chunk&& other) noexcept : handle_(other.handle_), rows_(other.rows_), vectors_(std::move(other.vectors_)) {
    other.handle_ = nullptr;
}

Chunk::~Chunk() {
    auto chunk = static_cast<c::Chunk>(handle_);
    if (chunk != nullptr) c::api().destroy_data_chunk(&chunk);
}

Result::Result(void* c_result) : handle_(std::make_unique<Handle>()), columns_(std::make_unique<std::vector<Column>>()) {
    handle_->value = *static_cast<c::Result*>(c_result);
    const c::Api& db = c::api();
    for (c::Index i = 0; i < db.column_count(&handle_->value); ++i)
        columns_->push_back({db.column_name(&handle_->value, i), read_type(db.column_logical_type(&handle_->value, i))});
}

Result::Result(Result&&) noexcept = default;

Result::~Result() {
    if (handle_) c::api().destroy_result(&handle_->value);
}

std::optional<Chunk> Result::next() {
    if (c::Chunk chunk = c::api().fetch_chunk(handle_->value)) return Chunk(chunk, *columns_);
    const char* error = c::api().result_error(&handle_->value);
    if (error != nullptr && *error != '\0') throw make_query_error(error);
    return std::nullopt;
}

Json Result::single_value() {
    while (const std::optional<Chunk> chunk = next())
        if (chunk->rows() > 0) return (*chunk)[0].json(0);
    throw Error(ErrorClass::Permanent, "a query that must give one row gave none");
}

std::vector<Json> Result::rows(std::int64_t max_rows) {
    std::vector<Json> out;
    while (const std::optional<Chunk> chunk = next()) {
        for (std::uint64_t row = 0; row < chunk->rows(); ++row) {
            if (static_cast<std::int64_t>(out.size()) == max_rows)
                throw Error(ErrorClass::Permanent, "the query gives more than " + std::to_string(max_rows) + " rows",
                            "aggregate or filter in the SQL");
            Json object = Json::object();
            for (std::size_t i = 0; i < columns_->size(); ++i) object[(*columns_)[i].name] = (*chunk)[i].json(row);
            out.push_back(std::move(object));
        }
    }
    return out;
}

std::int64_t Result::rows_changed() const { return static_cast<std::int64_t>(c::api().rows_changed(&handle_->value)); }

} // namespace millrace::duckdb
