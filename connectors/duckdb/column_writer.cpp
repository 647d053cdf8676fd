#include "connectors/duckdb/column_writer.hpp"

#include "connectors/duckdb/api.hpp"
#include "flows/error.hpp"

#include <algorithm>
#include <cstring>

namespace millrace::duckdb {
namespace {
c::Vector handle(void* vector) { return static_cast<c::Vector>(vector); }
} // namespace

ColumnWriter::ColumnWriter(const Type& type) : type_(&type) {
    if (type.id == TypeId::Struct || type.id == TypeId::List)
        for (const Type& t : type.children) children_.push_back(std::make_unique<ColumnWriter>(t));
}

void ColumnWriter::attach(void* vector) {
    const c::Api& db = c::api();
    vector_ = vector;
    data_ = db.vector_get_data(handle(vector));
    validity_ = db.vector_get_validity(handle(vector));
    if (type_->id == TypeId::Struct)
        for (std::size_t i = 0; i < children_.size(); ++i) children_[i]->attach(db.struct_vector_get_child(handle(vector), i));
    if (type_->id == TypeId::List) children_[0]->attach(db.list_vector_get_child(handle(vector)));
}

void ColumnWriter::begin(void* vector) {
    const auto reset = [](ColumnWriter& writer, const auto& self) -> void {
        writer.elements_ = writer.reserved_ = 0;
        for (auto& child : writer.children_) self(*child, self);
    };
    reset(*this, reset);
    attach(vector);
}

void ColumnWriter::finish() {
    if (type_->id == TypeId::List) (void)c::api().list_vector_set_size(handle(vector_), elements_);
    for (auto& child : children_) child->finish();
}

void ColumnWriter::set_null(std::uint64_t row) {
    if (validity_ == nullptr) {
        c::api().vector_ensure_validity_writable(handle(vector_));
        validity_ = c::api().vector_get_validity(handle(vector_));
    }
    validity_[row / 64] &= ~(std::uint64_t{1} << (row % 64));
    if (type_->id == TypeId::Struct)
        for (auto& child : children_) child->set_null(row);
    if (type_->id == TypeId::List) static_cast<c::ListEntry*>(data_)[row] = {elements_, 0};
}

void ColumnWriter::set_text(std::uint64_t row, std::string_view text) {
    c::api().vector_assign_string_element_len(handle(vector_), row, text.data(), text.size());
    if (validity_ != nullptr) mark_valid(row);
}

void ColumnWriter::set_text_in_place(std::uint64_t row, std::string_view text) {
    c::String& s = static_cast<c::String*>(data_)[row];
    s.pointer.length = static_cast<std::uint32_t>(text.size());
    if (text.size() <= sizeof s.inlined.bytes) {
        std::memset(s.inlined.bytes, 0, sizeof s.inlined.bytes);
        std::memcpy(s.inlined.bytes, text.data(), text.size());
    } else {
        std::memcpy(s.pointer.prefix, text.data(), sizeof s.pointer.prefix);
        s.pointer.data = text.data();
    }
    if (validity_ != nullptr) mark_valid(row);
}

std::uint64_t ColumnWriter::add_element() {
    if (elements_ == reserved_) {
        const std::uint64_t wanted = std::max<std::uint64_t>(2 * c::api().vector_size(), 2 * reserved_);
        if (c::api().list_vector_reserve(handle(vector_), wanted) != c::Success)
            throw Error(ErrorClass::Resource, "DuckDB has no memory for a list of " + std::to_string(wanted) + " elements");
        reserved_ = wanted;
        children_[0]->attach(c::api().list_vector_get_child(handle(vector_)));
    }
    return elements_++;
}

void ColumnWriter::set_list(std::uint64_t row, std::uint64_t first_element) {
    static_cast<c::ListEntry*>(data_)[row] = {first_element, elements_ - first_element};
    if (validity_ != nullptr) mark_valid(row);
}

} // namespace millrace::duckdb
