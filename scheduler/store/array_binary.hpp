/// PostgreSQL's arrays in the binary format: for the statements that write thousands of rows, where the server would spend a third
/// of its time on reading numbers and times from text. ArrayText (array_text.hpp) is for all others.
#pragma once

#include "flows/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace {

class ArrayBinary {
public:
    enum class Of : std::uint32_t { Int8 = 20, Int4 = 23, Text = 25, Timestamptz = 1184, Jsonb = 3802 }; ///< pg_type's oids
    explicit ArrayBinary(Of element) : element_(element) { begin(); }

    void add(std::int64_t number); ///< of Int8 and Int4
    void add_null();
    /// A word of our own: a state's name.
    void add_word(std::string_view word);
    void add_text(std::string_view text); ///< made fit as by ArrayText
    void add_json(std::string_view json); ///< empty: null
    void add_instant(std::optional<Instant> t);
    /// The array; it is empty afterwards.
    [[nodiscard]] std::string take();

private:
    void begin();
    template <class Number>
    void put(Number number);

    Of element_;
    std::uint32_t size_ = 0;
    std::string bytes_;
};

} // namespace millrace
