#include "connectors/http/page.hpp"

#include <catch2/catch.hpp>

using namespace millrace;

namespace {

/// A text with the padding that the index wants.
struct Padded {
    explicit Padded(std::string t) : text(std::move(t)), size(text.size()) { text.append(64, '\0'); }
    [[nodiscard]] std::string_view view() const { return {text.data(), size}; }
    std::string text;
    std::size_t size;
};

const std::string report = R"({"totals": [ {"_id":"", "entriesCount": 3} ],
  "timeentries": [ {"a": 1, "s": "x\"]}"}, {"a": [1, {"b": 2}]} ,
  {"a": null} ], "more": {"x": []}})";

std::string decimal_digits(const std::string& text, int width, int scale, FineDigits fine = FineDigits::Refuse) {
    duckdb::Int128 value = 0;
    if (!parse_decimal(text, width, scale, value, fine)) return "refused";
    const bool minus = value < 0;
    if (minus) value = -value;
    std::string out;
    do out.insert(out.begin(), static_cast<char>('0' + static_cast<int>(value % 10)));
    while ((value /= 10) > 0);
    return minus ? "-" + out : out;
}

} // namespace

TEST_CASE("a page gives its records as they stand and the total that it announces") {
    const Padded text(report);
    Page page("timeentries", "totals[0].entriesCount");
    page.read(text.view());
    REQUIRE(page.size() == 3);
    CHECK(page.raw(0) == R"({"a": 1, "s": "x\"]}"})");
    CHECK(page.raw(1) == R"({"a": [1, {"b": 2}]})");
    CHECK(page.raw(2) == R"({"a": null})");
    CHECK(page.announced() == 3);

    const Padded late(R"({"timeentries":[{"a":1}],"totals":[null]})");
    page.read(late.view());
    CHECK(page.size() == 1);
    CHECK_FALSE(page.announced());
}

TEST_CASE("the records and the total may lie below one member, or be the whole answer") {
    Page page("data.items", "data.count");
    const Padded text(R"({"data": {"items": [{}, {}], "count": 7}})");
    page.read(text.view());
    CHECK(page.size() == 2);
    CHECK(page.announced() == 7);

    Page list("", "");
    const Padded array(" [ {\"id\": 1} ] \n");
    list.read(array.view());
    CHECK(list.size() == 1);
    const Padded one("{\"id\": 1}");
    list.read(one.view());
    CHECK(list.raw(0) == "{\"id\": 1}");
    const Padded none("[]");
    list.read(none.view());
    CHECK(list.size() == 0);
    CHECK(list.fingerprint() == 0);
}

TEST_CASE("no beginning of an answer is taken for the whole") {
    Page page("timeentries", "totals[0].entriesCount");
    for (std::size_t n = 0; n < report.size(); ++n) {
        const Padded text(report.substr(0, n));
        INFO(n);
        CHECK_THROWS(page.read(text.view()));
    }
    for (const char* broken : {"[{}] x", "[{}][{}]", "[{} {}]", "[{},]", "{\"a\":[}", "[{\"a\":1]", "nul", "\xff[]", "[\"a]", ""}) {
        Page list("", "");
        const Padded text(broken);
        INFO(broken);
        CHECK_THROWS(list.read(text.view()));
    }
}

TEST_CASE("an answer of another shape is told from a broken one") {
    Page page("timeentries", "");
    const Padded text(R"({"message": "moved"})");
    CHECK_THROWS_AS(page.read(text.view()), RecordMistake);
    const Padded retyped(R"({"timeentries": 7})");
    CHECK_THROWS_AS(page.read(retyped.view()), RecordMistake);
    const Padded null(R"({"timeentries": null})");
    page.read(null.view());
    CHECK(page.size() == 0);
    const Padded twice(R"({"timeentries": [{"a": 1}], "timeentries": [{"a": 2}]})");
    CHECK_THROWS_WITH(page.read(twice.view()), "it has two lists 'timeentries'");
}

TEST_CASE("strings lose their escapes and nothing else") {
    std::string scratch;
    CHECK(unescaped("plain ü", scratch) == "plain ü");
    CHECK(unescaped(R"(a\"b\\c\/d\n\t\u00fc\ud83d\ude00)", scratch) == "a\"b\\c/d\n\tü😀");
    CHECK(unescaped(R"(\ud83dx)", scratch) == "\xEF\xBF\xBDx");
    CHECK_THROWS_AS(unescaped(R"(\u12g4)", scratch), JsonMistake);
    CHECK_THROWS_AS(unescaped(R"(\x)", scratch), JsonMistake);
}

TEST_CASE("checking a value reads every token of it") {
    for (const char* good : {"{\"a\":[1,-2.5e3,true,false,null,\"x\",{}]}", "0", "\"\"", "[[[]]]"}) {
        const Padded text(good);
        JsonIndex index;
        index.read(text.view());
        JsonCursor cursor(index);
        CHECK(cursor.check() == good);
        CHECK(cursor.at_end());
    }
    for (const char* bad : {"{\"a\" 1}", "[1 2]", "[01]", "[1.]", "[tru]", "[+1]", "{1:2}", "[1,}", "{\"a\":}", "[\"\\q\"]"}) {
        const Padded text(bad);
        JsonIndex index;
        INFO(bad);
        CHECK_THROWS_AS(([&] {
                            index.read(text.view());
                            JsonCursor cursor(index);
                            (void)cursor.check();
                            if (!cursor.at_end()) throw JsonMistake("rest");
                        }()),
                        JsonMistake);
    }
}

TEST_CASE("a number without its exponent has the same digits") {
    CHECK(plain_number("12.50") == "12.50");
    CHECK(plain_number("1e-07") == "0.0000001");
    CHECK(plain_number("-1.25E+2") == "-125");
    CHECK(plain_number("-1.25e1") == "-12.5");
    CHECK(plain_number("12.5e-3") == "0.0125");
    CHECK(plain_number("5e3") == "5000");
    CHECK(plain_number("1e400") == "1e400");
}

TEST_CASE("where a source says so, digits behind the scale are rounded, half away from zero") {
    constexpr auto round = FineDigits::Round;
    CHECK(decimal_digits("5.684341886080802E-14", 38, 18) == "refused");
    CHECK(decimal_digits("5.684341886080802E-14", 38, 18, round) == "56843");
    CHECK(decimal_digits("0.0012345678901234567", 38, 18, round) == "1234567890123457");
    CHECK(decimal_digits("0.005", 9, 2, round) == "1");
    CHECK(decimal_digits("-0.005", 9, 2, round) == "-1");
    CHECK(decimal_digits("0.00499999", 9, 2, round) == "0");
    CHECK(decimal_digits("0.05", 9, 0, round) == "0");
    CHECK(decimal_digits("1e-300", 38, 18, round) == "0");
    CHECK(decimal_digits("9.995", 3, 2, round) == "refused"); // 10.00 has four digits
    CHECK(decimal_digits("1234.5", 3, 0, round) == "refused");
    CHECK(decimal_digits("0.12345678901234567890123456789012345678901234567890", 38, 18, round) == "123456789012345679");
    CHECK(decimal_digits("40055.555555555555", 38, 18, round) == decimal_digits("40055.555555555555", 38, 18));
}

TEST_CASE("decimals are read from their digits, never rounded") {
    CHECK(decimal_digits("40055.555555555555", 38, 18) == "40055555555555555000000");
    CHECK(decimal_digits("-12.34", 9, 4) == "-123400");
    CHECK(decimal_digits("0.1", 4, 1) == "1");
    CHECK(decimal_digits("1.2300", 4, 2) == "123");
    CHECK(decimal_digits("1.234", 9, 2) == "refused");
    CHECK(decimal_digits("100", 4, 2) == "refused");
    CHECK(decimal_digits("1e2", 5, 2) == "10000");
    CHECK(decimal_digits("125e-2", 5, 2) == "125");
    CHECK(decimal_digits("1e-3", 5, 2) == "refused");
    CHECK(decimal_digits("1e99", 38, 0) == "refused");
    CHECK(decimal_digits("0e99", 38, 0) == "0");
    CHECK(decimal_digits("-0.0", 5, 2) == "0");
    CHECK(decimal_digits("12345678901234567890.123456789", 38, 9) == "12345678901234567890123456789");
    CHECK(decimal_digits("99999999999999999999999999999999999999", 38, 0) == "99999999999999999999999999999999999999");
    CHECK(decimal_digits("999999999999999999999999999999999999999", 38, 0) == "refused");
    for (int first = 1; first <= 9; ++first) {
        const std::string digit = std::to_string(first);
        CHECK(decimal_digits(digit + "e19", 38, 18) == digit + std::string(37, '0'));
        for (const char* too_large : {"e20", ".5e20", "e21", "e22", "e37"}) CHECK(decimal_digits(digit + too_large, 38, 18) == "refused");
        CHECK(decimal_digits(digit + std::string(20, '0'), 38, 18) == "refused");
        CHECK(decimal_digits(digit + "e37", 38, 0) == digit + std::string(37, '0'));
        CHECK(decimal_digits(digit + "e38", 38, 0) == "refused");
    }
    CHECK(decimal_digits("99999999999999999999.999999999999999999", 38, 18) == std::string(38, '9'));
    CHECK(decimal_digits("abc", 5, 2) == "refused");
    CHECK(decimal_digits("01", 5, 2) == "refused");
}
