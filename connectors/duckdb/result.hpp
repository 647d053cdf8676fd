/// Rows that come back from DuckDB, a chunk (up to 2048 rows) at a time, as DuckDB's own column vectors: no copy.
#pragma once

#include "connectors/duckdb/type.hpp"
#include "flows/json.hpp"

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace millrace::duckdb {

/// One column of a chunk. Valid as long as its chunk.
class VectorView {
public:
    VectorView(void* vector, const Type& type);

    [[nodiscard]] const Type& type() const { return *type_; }
    [[nodiscard]] bool is_null(std::uint64_t row) const { return validity_ != nullptr && (validity_[row / 64] >> (row % 64) & 1) == 0; }
    template <class T>
    [[nodiscard]] const T* data() const {
        return static_cast<const T*>(data_);
    }
    /// Of a VARCHAR, BLOB or BIT column.
    [[nodiscard]] std::string_view text(std::uint64_t row) const;
    /// Any type: integers beyond 64 bits and decimals become text. Instants are RFC 3339 in UTC. Numbers inside a JSON document
    /// are what our Json holds, 64 bits or a double.
    [[nodiscard]] Json json(std::uint64_t row) const;
    /// The same as text, exactly: a JSON document stands in it as it is.
    [[nodiscard]] std::string json_text(std::uint64_t row) const;
    /// As DuckDB casts it to VARCHAR, for scalar types; nested values are JSON.
    [[nodiscard]] std::string display(std::uint64_t row) const;

private:
    [[nodiscard]] Json nested(std::uint64_t row) const;

    void* vector_;
    const Type* type_;
    const void* data_;
    const std::uint64_t* validity_; ///< one bit a row; null: no NULL in it
};

class Chunk {
public:
    Chunk(void* handle, const std::vector<Column>& columns);
    Chunk(Chunk&& other) noexcept;
    Chunk& operator=(Chunk&&) = delete;
    ~Chunk();

    [[nodiscard]] std::uint64_t rows() const { return rows_; }
    [[nodiscard]] const VectorView& operator[](std::size_t column) const { return vectors_[column]; }

private:
    void* handle_;
    std::uint64_t rows_;
    std::vector<VectorView> vectors_;
};

/// Must not outlive its connection.
class Result {
public:
    explicit Result(void* c_result); ///< takes what `c::Result` points to
    Result(Result&&) noexcept;
    Result& operator=(Result&&) = delete;
    ~Result();

    [[nodiscard]] const std::vector<Column>& columns() const { return *columns_; }
    /// The next rows, or nothing at the end. Throws QueryError when a streamed query fails on its way.
    [[nodiscard]] std::optional<Chunk> next();
    /// The first column of the only row. Throws for an empty result.
    [[nodiscard]] Json single_value();
    /// All rows as objects by column name; throws Error{Permanent} beyond `max_rows`.
    [[nodiscard]] std::vector<Json> rows(std::int64_t max_rows);
    /// Of an INSERT, UPDATE or COPY.
    [[nodiscard]] std::int64_t rows_changed() const;

private:
    struct Handle;
    std::unique_ptr<Handle> handle_;
    std::unique_ptr<std::vector<Column>> columns_; ///< chunks point to it
};

/// The decimal of any stored width as text, "-12.3400".
[[nodiscard]] std::string decimal_text(Int128 value, int scale);
/// The digits of a DECIMAL column's row as one integer.
[[nodiscard]] Int128 decimal_digits(const VectorView& column, std::uint64_t row);

} // namespace millrace::duckdb
