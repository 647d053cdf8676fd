/// Writes the rows of one column of a chunk that DuckDB will read, nested types included. The counterpart of VectorView.
///
/// A row may be written again (a record that turned out to be broken is overwritten by the next one); what counts is the
/// last write. Rows of a list's elements are those of its child writer.
#pragma once

#include "connectors/duckdb/type.hpp"

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace millrace::duckdb {

class ColumnWriter {
public:
    explicit ColumnWriter(const Type& type);

    [[nodiscard]] const Type& type() const { return *type_; }

    /// A fresh chunk: nothing is written yet.
    void begin(void* vector);
    /// Every element that was added is in the lists. Before the chunk goes to DuckDB.
    void finish();

    /// A NULL struct has NULL members.
    void set_null(std::uint64_t row);
    /// T must be how DuckDB stores the type: bool, intN_t, double, Int128, std::int64_t microseconds of a TIMESTAMP, ...
    template <class T>
    void set(std::uint64_t row, T value) {
        static_cast<T*>(data_)[row] = value;
        if (validity_ != nullptr) mark_valid(row);
    }
    /// Of a VARCHAR; the bytes, which are UTF-8, are copied.
    void set_text(std::uint64_t row, std::string_view text);
    /// The same without a copy: the bytes must stay until the chunk after this one is asked for.
    void set_text_in_place(std::uint64_t row, std::string_view text);

    /// A struct's member, a list's elements.
    [[nodiscard]] ColumnWriter& child(std::size_t i) { return *children_[i]; }
    /// A struct that is there (its members are written one by one).
    void set_struct(std::uint64_t row) {
        if (validity_ != nullptr) mark_valid(row);
    }
    /// Room for one more element; gives its row in the child.
    [[nodiscard]] std::uint64_t add_element();
    /// Elements that were added so far: where the next list begins.
    [[nodiscard]] std::uint64_t elements() const { return elements_; }
    void set_list(std::uint64_t row, std::uint64_t first_element);

private:
    void attach(void* vector);
    void mark_valid(std::uint64_t row) { validity_[row / 64] |= std::uint64_t{1} << (row % 64); }

    const Type* type_; ///< outlives the writer
    void* vector_ = nullptr;
    void* data_ = nullptr;
    std::uint64_t* validity_ = nullptr; ///< null: every row so far is valid
    std::uint64_t elements_ = 0, reserved_ = 0;
    std::vector<std::unique_ptr<ColumnWriter>> children_;
};

} // namespace millrace::duckdb
