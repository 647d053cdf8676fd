#include "connectors/targets/postgres/row_hash.hpp"

#include <catch2/catch.hpp>

using namespace millrace;
using postgres::PresentRows;

TEST_CASE("hashes of a target are held in the memory they may have, or not at all") {
    constexpr std::int64_t memory = 1 << 20;
    CHECK(PresentRows::fits(40000, memory));
    CHECK_FALSE(PresentRows::fits(50000, memory));
    PresentRows foretold(40000, memory), surprised(10, memory);
    std::uint64_t key = 0;
    bool held = true;
    for (int i = 0; i < 40000; ++i, key += 0x9e3779b97f4a7c15ULL) held = held && foretold.add(key, key + 1);
    CHECK(held);
    CHECK(foretold.size() == 40000);
    CHECK(foretold.visit(0x9e3779b97f4a7c15ULL, 0x9e3779b97f4a7c16ULL) == PresentRows::Found::Same);
    CHECK(foretold.visit(0x9e3779b97f4a7c15ULL, 0x9e3779b97f4a7c16ULL) == PresentRows::Found::Repeated);
    CHECK(foretold.visit(key, 1) == PresentRows::Found::Absent);
    std::size_t before = 0;
    for (; surprised.add(before * 0x9e3779b97f4a7c15ULL, 1); ++before) {
    }
    CHECK(before > 10000);
    CHECK(before < 50000);
}
