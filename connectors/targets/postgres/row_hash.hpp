/// Which rows of a dataset the target already holds, found without shipping either side: the server hashes its rows (PostgreSQL's
/// own hash functions over key and row), we hash ours the same way, and only what differs travels.
///
/// A row counts as present when both hashes (128 bits together) agree; anything else is shipped and compared by the server
/// value by value, so a difference in how the two sides hash costs time and never a change.
#pragma once

#include "connectors/targets/postgres/field.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::postgres {

/// SQL for the server's hash over those columns; needs PostgreSQL 14.
[[nodiscard]] std::string hash_sql(const std::vector<TargetColumn>& columns, int seed);
/// SQL for that hash, hashed once more: fit to be summed over rows. A row's own is linear in those of its columns, so that its sum
/// stays the same when values of one column change places.
[[nodiscard]] std::string summand_sql(const std::vector<TargetColumn>& columns, int seed);
/// The same number from a row's hash.
[[nodiscard]] std::uint64_t summand(std::uint64_t row_hash, int seed);

/// The same number from the fields of an encoded row. `fields[i]` begins at the field's length.
class RowHasher {
public:
    explicit RowHasher(std::uint64_t seed) : seed_(seed) {}
    /// `field`: COPY's form, with its length.
    void add(const char* field, Wire wire);
    [[nodiscard]] std::uint64_t value() const { return value_; }

private:
    std::uint64_t seed_;
    std::uint64_t value_ = 0;
};

/// Pairs of (key hash, row hash) of the target, within a limit of memory.
class PresentRows {
public:
    enum class Found { Absent, Different, Same, Repeated };

    /// Whether so many rows can be held in so many bytes.
    [[nodiscard]] static bool fits(double rows, std::int64_t bytes);

    PresentRows(std::size_t expected, std::int64_t bytes);
    /// False: the pair has no place, and what is held is of no use any more.
    [[nodiscard]] bool add(std::uint64_t key, std::uint64_t row);
    /// What the target holds for that key. The second question for a key is Repeated: the dataset has it twice.
    [[nodiscard]] Found visit(std::uint64_t key, std::uint64_t row);
    [[nodiscard]] std::size_t size() const { return used_; }

private:
    struct Entry {
        std::uint64_t key, row;
    };
    enum Mark : std::uint8_t { Free = 0, Held = 1, Visited = 2, Ambiguous = 4 };
    static constexpr std::int64_t slot_bytes = sizeof(Entry) + sizeof(std::uint8_t);
    [[nodiscard]] std::size_t find(std::uint64_t key) const;
    void grow();

    std::int64_t bytes_;         ///< limit
    std::vector<Entry> entries_; ///< at most two thirds of them in use
    std::vector<std::uint8_t> marks_;
    std::size_t used_ = 0;
};

} // namespace millrace::postgres
