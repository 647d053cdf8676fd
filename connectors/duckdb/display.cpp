/// Scalar values of a vector as text.
#include "connectors/duckdb/api.hpp"
#include "connectors/duckdb/result.hpp"
#include "flows/time.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace millrace::duckdb {
namespace {

template <class Unsigned>
std::string digits_of(Unsigned value) {
    std::string out;
    do {
        out += static_cast<char>('0' + static_cast<int>(value % 10));
        value /= 10;
    } while (value != 0);
    std::reverse(out.begin(), out.end());
    return out;
}

Int128 to_int128(const c::Hugeint& h) { return static_cast<Int128>(h.upper) << 64 | h.lower; }

std::string signed_text(Int128 value) {
    const auto magnitude = value < 0 ? -static_cast<UInt128>(value) : static_cast<UInt128>(value);
    return (value < 0 ? "-" : "") + digits_of(magnitude);
}

/// Years before 1 or after 9999 keep their sign and digits.
std::string date_text(std::int32_t days) {
    if (days == std::numeric_limits<std::int32_t>::max()) return "infinity";
    if (days == -std::numeric_limits<std::int32_t>::max()) return "-infinity";
    const std::chrono::year_month_day d{std::chrono::sys_days(std::chrono::days(days))};
    return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(d.year()), static_cast<unsigned>(d.month()), static_cast<unsigned>(d.day()));
}

std::string time_text(std::int64_t micros) {
    const std::int64_t s = micros / 1000000, fraction = micros % 1000000;
    const std::string whole = fmt::format("{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
    return fraction == 0 ? whole : whole + fmt::format(".{:06}", fraction);
}

bool is_infinite(std::int64_t t) { return t == std::numeric_limits<std::int64_t>::max() || t == -std::numeric_limits<std::int64_t>::max(); }

std::string timestamp_text(std::int64_t micros) {
    if (is_infinite(micros)) return micros > 0 ? "infinity" : "-infinity";
    constexpr std::int64_t day = 86400000000;
    const std::int64_t days = micros / day - (micros % day < 0 ? 1 : 0);
    return date_text(static_cast<std::int32_t>(days)) + "T" + time_text(micros - days * day);
}

std::string uuid_text(const c::Hugeint& h) {
    const auto upper = static_cast<std::uint64_t>(h.upper) ^ (std::uint64_t{1} << 63); // DuckDB flips the sign so that it sorts
    return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", upper >> 32, upper >> 16 & 0xffff, upper & 0xffff, h.lower >> 48,
                       h.lower & 0xffffffffffff);
}

std::string blob_text(std::string_view bytes) {
    std::string out;
    for (const char ch : bytes) {
        const auto byte = static_cast<unsigned char>(ch);
        if (byte < 32 || byte > 126 || ch == '\\')
            out += fmt::format("\\x{:02X}", byte);
        else
            out += ch;
    }
    return out;
}

} // namespace

std::string decimal_text(Int128 value, int scale) {
    std::string digits = signed_text(value < 0 ? -value : value);
    if (static_cast<int>(digits.size()) <= scale) digits.insert(0, static_cast<std::size_t>(scale) + 1 - digits.size(), '0');
    if (scale > 0) digits.insert(digits.size() - static_cast<std::size_t>(scale), ".");
    return (value < 0 ? "-" : "") + digits;
}

Int128 decimal_digits(const VectorView& column, std::uint64_t row) {
    switch (column.type().physical) {
    case TypeId::SmallInt: return column.data<std::int16_t>()[row];
    case TypeId::Integer: return column.data<std::int32_t>()[row];
    case TypeId::BigInt: return column.data<std::int64_t>()[row];
    default: return to_int128(column.data<c::Hugeint>()[row]);
    }
}

std::string VectorView::display(std::uint64_t row) const {
    if (is_null(row)) return "NULL";
    switch (type_->id) {
    case TypeId::Varchar: return std::string(text(row));
    case TypeId::Blob: return blob_text(text(row));
    case TypeId::Decimal: return decimal_text(decimal_digits(*this, row), type_->scale);
    case TypeId::HugeInt: return signed_text(to_int128(data<c::Hugeint>()[row]));
    case TypeId::UHugeInt: return digits_of(static_cast<UInt128>(to_int128(data<c::Hugeint>()[row])));
    case TypeId::Date: return date_text(data<std::int32_t>()[row]);
    case TypeId::Time: return time_text(data<std::int64_t>()[row]);
    case TypeId::Timestamp: return timestamp_text(data<std::int64_t>()[row]);
    case TypeId::TimestampTz: {
        const std::int64_t t = data<std::int64_t>()[row];
        return is_infinite(t) ? timestamp_text(t) : timestamp_text(t) + "Z";
    }
    case TypeId::TimestampS: return timestamp_text(data<std::int64_t>()[row] * 1000000);
    case TypeId::TimestampMs: return timestamp_text(data<std::int64_t>()[row] * 1000);
    case TypeId::TimestampNs: return timestamp_text(data<std::int64_t>()[row] / 1000);
    case TypeId::Uuid: return uuid_text(data<c::Hugeint>()[row]);
    case TypeId::Interval: {
        const c::Interval i = data<c::Interval>()[row];
        return fmt::format("{} months {} days {}", i.months, i.days, time_text(i.micros));
    }
    case TypeId::Enum: {
        const std::uint64_t label = type_->physical == TypeId::UTinyInt    ? data<std::uint8_t>()[row]
                                    : type_->physical == TypeId::USmallInt ? data<std::uint16_t>()[row]
                                                                           : data<std::uint32_t>()[row];
        return type_->labels.at(label);
    }
    case TypeId::Bit:
    case TypeId::Union:
    case TypeId::TimeTz:
    case TypeId::TimeNs:
    case TypeId::BigNum:
    case TypeId::SqlNull:
    case TypeId::Any:
    case TypeId::Invalid: return "(" + type_->name + ")";
    default: return json_text(row);
    }
}

} // namespace millrace::duckdb
