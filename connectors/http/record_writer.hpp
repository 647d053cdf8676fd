/// From a JSON record to one row of typed columns, exactly or not at all.
///
/// Integers and decimals come from their digits, never through a double; 3600.0 is an integer. A decimal may also be a string of digits, as
/// many APIs send money. A number with more digits after its point than its column holds (unless the resource says `rounded`), a retyped
/// value, a missing member that may not be null: the record breaks its contract, and the message says where. Instants need their offset;
/// they are kept in microseconds, finer digits are cut.
#pragma once

#include "connectors/duckdb/column_writer.hpp"
#include "connectors/http/json_index.hpp"
#include "flows/source_spec.hpp"

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace millrace {

/// A record that breaks the contract of its resource; what() names the member, its value where it has one to show, and the reason.
class RecordMistake : public std::runtime_error {
public:
    explicit RecordMistake(const std::string& why) : std::runtime_error(why), rule(why) {}
    RecordMistake(const std::string& member, const std::string& why, const std::string& shown_value = {})
        : std::runtime_error("'" + member + "' " + (shown_value.empty() ? why : "is " + shown_value + ", which " + why)), column(member),
          rule(why), value(shown_value) {}

    std::string column; ///< path of the member; empty: it is about the whole record
    std::string rule;   ///< without the value
    std::string value;  ///< as JSON wrote it, cut; empty: the rule says enough
};

class RecordWriter {
public:
    /// What a VARCHAR takes: texts, or every scalar as it is written (a number without its exponent), for somebody who casts it.
    enum class Scalars { Typed, AsText };

    /// `types`: what DuckDB makes of the resource's columns, in their order. Throws Error{Permanent} for a type that has no
    /// form in JSON, and for a key that is no column. `types` outlives the writer.
    RecordWriter(const ResourceSpec& resource, std::span<const duckdb::Column> types, Scalars scalars = Scalars::Typed);
    RecordWriter(RecordWriter&&) noexcept;
    ~RecordWriter();

    /// Writes the record at `cursor` as `row` of the first columns. Texts stay where they are: the page must not go before the
    /// rows have been read. Throws RecordMistake, or JsonMistake for broken grammar;
    /// the row may then be written again.
    void write(JsonCursor cursor, std::vector<duckdb::ColumnWriter>& columns, std::uint64_t row);

    /// Of the last record that was written: a hash of its key's values.
    [[nodiscard]] std::uint64_t key_hash() const;
    /// Members that no column declares, and one kind of value that each had; since the last call.
    [[nodiscard]] std::map<std::string, std::string> take_unknown_members();
    /// The last record had one.
    [[nodiscard]] bool had_unknown_member() const;

private:
    struct Walk;
    std::unique_ptr<Walk> walk_;
};

/// A JSON number without an exponent, "1.25e-3" as "0.00125"; as it is when that would be longer than 100 digits.
[[nodiscard]] std::string plain_number(std::string_view text);

/// What becomes of digits behind the scale that are not zeros; rounding is half away from zero.
enum class FineDigits { Refuse, Round };

/// A number's digits as an integer of `10^-scale`. False when they do not fit into `width` digits, or would be rounded and may not.
[[nodiscard]] bool parse_decimal(std::string_view text, int width, int scale, duckdb::Int128& value, FineDigits fine = FineDigits::Refuse);

} // namespace millrace
