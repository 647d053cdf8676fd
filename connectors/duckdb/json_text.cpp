/// Nested values as JSON text, in which the numbers of JSON documents keep their digits.
#include "connectors/duckdb/api.hpp"
#include "connectors/duckdb/result.hpp"

#include <algorithm>
#include <numeric>

namespace millrace::duckdb {
namespace {

std::string dumped(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

/// Members by name, so that a value has one text, whatever the order of its type's fields.
std::vector<std::size_t> by_name(const std::vector<std::string>& labels) {
    std::vector<std::size_t> order(labels.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return labels[a] < labels[b]; });
    return order;
}

} // namespace

std::string VectorView::json_text(std::uint64_t row) const {
    if (is_null(row)) return "null";
    const c::Api& db = c::api();
    const auto v = static_cast<c::Vector>(vector_);
    const auto elements = [](const VectorView& child, std::uint64_t from, std::uint64_t n) {
        std::string out = "[";
        for (std::uint64_t i = from; i < from + n; ++i) out += (i == from ? "" : ",") + child.json_text(i);
        return out + "]";
    };
    switch (type_->id) {
    case TypeId::Struct: {
        std::string out = "{";
        for (const std::size_t i : by_name(type_->labels))
            out += (out.size() == 1 ? "" : ",") + dumped(type_->labels[i]) + ":" +
                   VectorView(db.struct_vector_get_child(v, i), type_->children[i]).json_text(row);
        return out + "}";
    }
    case TypeId::Array:
        return elements(VectorView(db.array_vector_get_child(v), type_->children[0]), row * type_->array_size, type_->array_size);
    case TypeId::List: {
        const c::ListEntry entry = data<c::ListEntry>()[row];
        return elements(VectorView(db.list_vector_get_child(v), type_->children[0]), entry.offset, entry.length);
    }
    case TypeId::Map: {
        const c::ListEntry entry = data<c::ListEntry>()[row];
        const c::Vector items = db.list_vector_get_child(v);
        const VectorView keys(db.struct_vector_get_child(items, 0), type_->children[0]),
            values(db.struct_vector_get_child(items, 1), type_->children[1]);
        std::vector<std::string> labels;
        for (std::uint64_t i = entry.offset; i < entry.offset + entry.length; ++i) labels.push_back(keys.display(i));
        std::string out = "{";
        for (const std::size_t i : by_name(labels))
            out += (out.size() == 1 ? "" : ",") + dumped(labels[i]) + ":" + values.json_text(entry.offset + i);
        return out + "}";
    }
    case TypeId::Varchar: return type_->is_json ? std::string(text(row)) : dumped(text(row));
    default: return dumped(json(row));
    }
}

} // namespace millrace::duckdb
