#include "connectors/targets/postgres/row_hash.hpp"

#include "flows/sql_identifier.hpp"

#include <algorithm>
#include <bit>

namespace millrace::postgres {
namespace {

// Bob Jenkins' lookup3 as PostgreSQL uses it (src/common/hashfn.c, hash_bytes_extended): stable since version 11.
struct Mixer {
    std::uint32_t a, b, c;

    explicit Mixer(std::uint32_t length, std::uint64_t seed) : a(0x9e3779b9U + length + 3923095U), b(a), c(a) {
        if (seed == 0) return;
        a += static_cast<std::uint32_t>(seed >> 32);
        b += static_cast<std::uint32_t>(seed);
        mix();
    }
    // clang-format off
    void mix() {
        a -= c; a ^= std::rotl(c, 4); c += b;
        b -= a; b ^= std::rotl(a, 6); a += c;
        c -= b; c ^= std::rotl(b, 8); b += a;
        a -= c; a ^= std::rotl(c, 16); c += b;
        b -= a; b ^= std::rotl(a, 19); a += c;
        c -= b; c ^= std::rotl(b, 4); b += a;
    }
    std::uint64_t finish() {
        c ^= b; c -= std::rotl(b, 14);
        a ^= c; a -= std::rotl(c, 11);
        b ^= a; b -= std::rotl(a, 25);
        c ^= b; c -= std::rotl(b, 16);
        a ^= c; a -= std::rotl(c, 4);
        b ^= a; b -= std::rotl(a, 14);
        c ^= b; c -= std::rotl(b, 24);
        return static_cast<std::uint64_t>(b) << 32 | c;
    }
    // clang-format on
};

std::uint32_t word(const unsigned char* k) {
    return k[0] | static_cast<std::uint32_t>(k[1]) << 8 | static_cast<std::uint32_t>(k[2]) << 16 | static_cast<std::uint32_t>(k[3]) << 24;
}

std::uint64_t hash_bytes(const char* bytes, std::size_t length, std::uint64_t seed) {
    const auto* k = reinterpret_cast<const unsigned char*>(bytes);
    Mixer m(static_cast<std::uint32_t>(length), seed);
    for (; length >= 12; k += 12, length -= 12) {
        m.a += word(k);
        m.b += word(k + 4);
        m.c += word(k + 8);
        m.mix();
    }
    unsigned char tail[12] = {};
    for (std::size_t i = 0; i < length; ++i) tail[i < 8 ? i : i + 1] = k[i]; // the lowest byte of c is the length's
    m.a += word(tail);
    m.b += word(tail + 4);
    m.c += word(tail + 8);
    return m.finish();
}

std::uint64_t hash_word(std::uint32_t value, std::uint64_t seed) {
    Mixer m(sizeof value, seed);
    m.a += value;
    return m.finish();
}

std::int32_t read_int32(const char* bytes) {
    std::uint32_t v = 0;
    for (int i = 0; i < 4; ++i) v = v << 8 | static_cast<unsigned char>(bytes[i]);
    return static_cast<std::int32_t>(v);
}

std::int16_t read_int16(const char* bytes) {
    return static_cast<std::int16_t>(static_cast<unsigned char>(bytes[0]) << 8 | static_cast<unsigned char>(bytes[1]));
}

/// PostgreSQL folds 64-bit values to 32 before it hashes them, and leaves the sign out of a numeric: for those we let it hash the
/// bytes of their binary form instead, which are COPY's.
const char* send_function(std::uint32_t oid) {
    switch (oid) {
    case 20: return "int8send";
    case 700: return "float4send";
    case 701: return "float8send";
    case 1083: return "time_send";
    case 1114: return "timestamp_send";
    case 1184: return "timestamptz_send";
    case 1700: return "numeric_send";
    case 1042: return "bpcharsend";
    case 3802: return "jsonb_send";
    default: return nullptr;
    }
}

} // namespace

std::string hash_sql(const std::vector<TargetColumn>& columns, int seed) {
    std::string row;
    for (const TargetColumn& c : columns) {
        const char* send = send_function(c.oid);
        row += (row.empty() ? "" : ", ") +
               (send == nullptr ? quote_identifier(c.name) : std::string(send) + "(" + quote_identifier(c.name) + ")");
    }
    return "hash_record_extended(ROW(" + row + "), " + std::to_string(seed) + ")";
}

std::string summand_sql(const std::vector<TargetColumn>& columns, int seed) {
    return "hash_record_extended(ROW(int8send(" + hash_sql(columns, seed) + ")), " + std::to_string(seed) + ")";
}

std::uint64_t summand(std::uint64_t row_hash, int seed) {
    char bytes[sizeof row_hash]; // as int8send gives them
    for (std::size_t i = 0; i < sizeof bytes; ++i) bytes[i] = static_cast<char>(row_hash >> (56 - 8 * i));
    return hash_bytes(bytes, sizeof bytes, static_cast<std::uint64_t>(seed));
}

void RowHasher::add(const char* field, Wire wire) {
    const std::int32_t length = read_int32(field);
    const char* bytes = field + 4;
    std::uint64_t h = 0;
    if (length >= 0) switch (wire) {
        case Wire::Bool: h = hash_word(static_cast<std::uint32_t>(bytes[0]), seed_); break;
        case Wire::Int2: h = hash_word(static_cast<std::uint32_t>(static_cast<std::int32_t>(read_int16(bytes))), seed_); break;
        case Wire::Int4:
        case Wire::Date: h = hash_word(static_cast<std::uint32_t>(read_int32(bytes)), seed_); break;
        default: h = hash_bytes(bytes, static_cast<std::size_t>(length), seed_);
        }
    value_ = (value_ << 5) - value_ + h;
}

bool PresentRows::fits(double rows, std::int64_t bytes) {
    return rows * 1.5 * static_cast<double>(slot_bytes) <= static_cast<double>(bytes);
}

PresentRows::PresentRows(std::size_t expected, std::int64_t bytes)
    : bytes_(bytes), entries_(std::max<std::size_t>(1024, expected + expected / 2)), marks_(entries_.size()) {}

std::size_t PresentRows::find(std::uint64_t key) const {
    const std::size_t n = entries_.size();
    auto i = static_cast<std::size_t>(static_cast<duckdb::UInt128>(key) * n >> 64); // the hash as a fraction of the table
    while (marks_[i] != Free && entries_[i].key != key)
        if (++i == n) i = 0;
    return i;
}

void PresentRows::grow() {
    std::vector<Entry> old = std::move(entries_);
    std::vector<std::uint8_t> marks = std::move(marks_);
    entries_.assign(old.size() * 2, {});
    marks_.assign(old.size() * 2, Free);
    for (std::size_t i = 0; i < old.size(); ++i) {
        if (marks[i] == Free) continue;
        const std::size_t at = find(old[i].key);
        entries_[at] = old[i];
        marks_[at] = marks[i];
    }
}

bool PresentRows::add(std::uint64_t key, std::uint64_t row) {
    if (used_ * 3 >= entries_.size() * 2) {
        if (static_cast<std::int64_t>(entries_.size()) * 3 * slot_bytes > bytes_) return false; // both tables are there while it grows
        grow();
    }
    const std::size_t i = find(key);
    if (marks_[i] != Free) {
        marks_[i] |= Ambiguous; // two rows of the target, or two keys of one hash: the server decides
        return true;
    }
    entries_[i] = {key, row};
    marks_[i] = Held;
    ++used_;
    return true;
}

PresentRows::Found PresentRows::visit(std::uint64_t key, std::uint64_t row) {
    const std::size_t i = find(key);
    if (marks_[i] == Free) return Found::Absent;
    if ((marks_[i] & Ambiguous) != 0) return Found::Different;
    if ((marks_[i] & Visited) != 0) return Found::Repeated;
    marks_[i] |= Visited;
    return entries_[i].row == row ? Found::Same : Found::Different;
}

} // namespace millrace::postgres
