#include "connectors/manifest.hpp"
#include "tests/tasks/host_process.hpp"

#include <fmt/format.h>

using namespace millrace;
using namespace millrace::test;

namespace {

/// Each call is a command that writes `text` as its CSV.
class CsvCommand {
public:
    AttemptDone operator()(const std::string& text, const Json& columns = Json::array(), const Json& checks = Json::array()) {
        const std::string task = "csv" + std::to_string(++number_), from = run_.path + "/" + task + ".from";
        std::ofstream(from, std::ios::binary) << text;
        AttemptOrder order = order_for(run_, task, "run",
                                       {{"argv", {"/bin/sh", "-c", "cp \"$FROM\" \"$MILLRACE_OUTPUT\""}},
                                        {"output", "csv"},
                                        {"contract", {{"columns", columns}, {"checks", checks}}},
                                        {"env", {{"FROM", from}}}});
        order.memory_bytes = memory_bytes;
        return host_.attempt(order);
    }
    /// The rows, or what is wrong.
    std::string rows(const std::string& text, const Json& columns = Json::array(), const std::string& sql = "select * from d") {
        const AttemptDone done = (*this)(text, columns);
        return done.error ? done.error->error_class + ": " + done.error->message : Json(rows_of_dataset(host_, done.manifest, sql)).dump();
    }

    /// The first of its rejected rows.
    Json rejected(const AttemptDone& done) { return rows_of_dataset(host_, done.rejects).at(0); }

    std::int64_t memory_bytes = 0; ///< of each; 0: the default

private:
    const TempFolder run_;
    HostProcess host_{"run"};
    int number_ = 0;
};

Json columns_of(const std::vector<std::pair<const char*, const char*>>& columns) {
    Json out = Json::array();
    for (const auto& [name, type] : columns) out.push_back({{"name", name}, {"type", type}, {"nullable", true}});
    return out;
}

} // namespace

TEST_CASE("a large CSV of texts with many lines is read whole") {
    CsvCommand csv;
    std::string text = "id,text\n", lines;
    for (int i = 0; i < 50; ++i) lines += "line " + std::to_string(i) + ", which has a comma and goes on\n";
    for (int i = 0; i < 8000; ++i) text += "k" + std::to_string(i) + ",\"" + lines + "\"\n";
    REQUIRE(text.size() > 10'000'000);
    for (const Json& columns : {Json::array(), columns_of({{"id", "VARCHAR"}, {"text", "VARCHAR"}})})
        CHECK(csv.rows(text, columns, "select count(*) as n, count(distinct id) as ids, sum(length(text))::bigint as length from d") ==
              fmt::format(R"([{{"ids":8000,"length":{},"n":8000}}])", 8000 * lines.size()));
}

TEST_CASE("the lines of a CSV may end with LF and CRLF, which stay as they are in quotes") {
    CsvCommand csv;
    const Json contract = columns_of({{"a", "INTEGER"}, {"b", "VARCHAR"}}), one = columns_of({{"a", "VARCHAR"}});
    for (const Json& columns : {Json::array(), contract}) {
        CHECK(csv.rows("a,b\n1,x\r\n2,\"y\r\nz\"\r\n", columns) == R"([{"a":1,"b":"x"},{"a":2,"b":"y\r\nz"}])");
        CHECK(csv.rows("\xEF\xBB\xBF\"a\",b\r\n1,x\n2,\"y\nz\"", columns) == R"([{"a":1,"b":"x"},{"a":2,"b":"y\nz"}])");
        CHECK(csv.rows("a,b\r1,x\r2,y\r", columns) == R"([{"a":1,"b":"x"},{"a":2,"b":"y"}])");
        CHECK(csv.rows("a,b\n1,x\r2,y\n", columns) ==
              "bad_data: line 2 of the CSV that the command wrote ends with a carriage return alone, and others with a line feed");
    }
    for (const Json& columns : {Json::array(), one}) CHECK(csv.rows("a\nx\r\ny\r\n", columns) == R"([{"a":"x"},{"a":"y"}])");
    std::string late = "a,b\n";
    for (int i = 0; i < 300'000; ++i) late += std::to_string(i) + ",x\n";
    for (int i = 300'000; i < 400'000; ++i) late += std::to_string(i) + ",x\r\n";
    for (const Json& columns : {Json::array(), contract})
        CHECK(csv.rows(late, columns, "select count(*) as n, sum(length(b))::bigint as length from d") ==
              R"([{"length":400000,"n":400000}])");
}

TEST_CASE("a mistake in a CSV is told with its line, also behind texts of several lines") {
    CsvCommand csv;
    for (const Json& columns : {Json::array(), columns_of({{"a", "INTEGER"}, {"b", "VARCHAR"}})}) {
        const auto mistake = [&](const std::string& row) { return csv.rows("a,b\n1,\"x\r\ny\nz\"\n" + row, columns); };
        const std::string begin = "bad_data: line 5 of the CSV that the command wrote ";
        CHECK(mistake("1,2,3\n") == begin + "has 3 fields, and its header 2");
        CHECK(mistake("1,\"2\n3\" 4\n") == begin + "has text behind the quote that closes a field");
        CHECK(mistake("1,\"2\n") == begin + "opens a quote that is never closed");
        CHECK(mistake("1,\xFF\n") == begin + "has bytes that are no UTF-8");
        CHECK(mistake("1, \"2\" \n\n3,4\"\n") == R"([{"a":1,"b":"x\r\ny\nz"},{"a":1,"b":"2"},{"a":3,"b":"4\""}])");
        CHECK(csv.rows("a,A\n1,2\n", columns) ==
              "bad_data: the header of the CSV that the command wrote has 'a' and 'A', which are one name in SQL");
    }
}

TEST_CASE("a row of a CSV may have 64 MB, where the task has memory for it") {
    CsvCommand csv;
    const auto rows = [](std::size_t bytes) { return "a,b\n1,x\n2,\"" + std::string(bytes, 'y') + "\"\n3,z\n"; };
    const auto read = [&](std::size_t bytes, const Json& columns = Json::array()) {
        return csv.rows(rows(bytes), columns, "select count(*) as n, max(length(b)) as longest from d");
    };
    const auto whole = [](std::size_t bytes) { return fmt::format(R"([{{"longest":{},"n":3}}])", bytes); };
    constexpr std::size_t mb = 1 << 20;
    const Json contract = columns_of({{"a", "INTEGER"}, {"b", "VARCHAR"}});
    for (const std::size_t bytes : {std::size_t{1'999'990}, 3 * mb, 40 * mb}) CHECK(read(bytes, contract) == whole(bytes));
    csv.memory_bytes = 1 << 30;
    CHECK(read(64 * mb - 4) == whole(64 * mb - 4));
    CHECK(read(64 * mb) == "bad_data: line 3 of the CSV that the command wrote begins a row of more than 64 MB");
}

TEST_CASE("an empty field of a CSV is NULL, one in quotes the empty text, or NULL where there are no texts") {
    CsvCommand csv;
    const std::string text = "i,t,d,n\n1,,2026-01-02,1.5\n\"\",\"\",\"\",\"\"\n\"3\",\"x\",\"2026-03-04\",\"2.5\"\n";
    const std::string wanted = R"([{"d":"2026-01-02","i":1,"n":1.5,"t":null},{"d":null,"i":null,"n":null,"t":""},)"
                               R"({"d":"2026-03-04","i":3,"n":2.5,"t":"x"}])";
    CHECK(csv.rows(text, columns_of({{"i", "BIGINT"}, {"t", "VARCHAR"}, {"d", "DATE"}, {"n", "DOUBLE"}})) == wanted);
    CHECK(csv.rows(text) == wanted);
    CHECK(csv.rows("D,w,b,t,z\n31/12/2025,31/12/2025 10:00:01,true,10:30,2026-01-02 10:00:00+02\n\"\",,\"\",\"\",\"\"\n", Json::array(),
                   "select * replace (z::varchar as z), typeof(w) as type from d where b") ==
          R"([{"D":"2025-12-31","b":true,"t":"10:30:00","type":"TIMESTAMP","w":"2025-12-31T10:00:01","z":"2026-01-02 08:00:00+00"}])");
}

TEST_CASE("a time with an offset and digits beyond a double are no such values") {
    CsvCommand csv;
    const auto with = [&](const char* type, const std::string& text) {
        return csv.rows("v\n" + text + "\n", columns_of({{"v", type}}), "select v::varchar as v from d");
    };
    CHECK(with("TIME", "10:00") == R"([{"v":"10:00:00"}])");
    CHECK(with("TIME", " 1:02:03.5 ") == R"([{"v":"01:02:03.5"}])");
    for (const char* text : {"10:00:00+05", "10:00:00Z", "10:00:00 UTC", "10:00:00.5-03:30", "10:00:00 PM", "2026-01-02 10:00:00"})
        CHECK_THAT(with("TIME", text), Catch::Contains("v does not fit time in 1 row ('" + std::string(text) + "'"));
    CHECK(with("DOUBLE", "1e300") == R"([{"v":"1e+300"}])");
    CHECK(with("DOUBLE", "-inf") == R"([{"v":"-inf"}])");
    CHECK(with("FLOAT", "1e38") == R"([{"v":"1e+38"}])");
    CHECK_THAT(with("DOUBLE", "1e400"), Catch::Contains("v does not fit double in 1 row ('1e400')"));
    CHECK_THAT(with("FLOAT", "-1e39"), Catch::Contains("v does not fit float in 1 row ('-1e39')"));
}

TEST_CASE("a rejected row of a CSV shows the numbers as the file has them") {
    CsvCommand csv;
    const auto refused = [&](const std::string& text, const Json& column, const Json& checks = Json::array()) {
        const AttemptDone done = csv(text, column.is_null() ? Json::array() : Json::array({column}), checks);
        REQUIRE(done.error);
        const Json row = csv.rejected(done);
        return done.error->message.substr(done.error->message.find(": ") + 2) + " / " +
               (row["_value"].is_null() ? "" : row["_value"].get<std::string>()) + " / " + row["_raw"].get<std::string>();
    };
    for (const char* type : {"DOUBLE", "DECIMAL(9,2)"}) {
        const Json checked = {{"name", "v"}, {"type", type}, {"check", "v < 3"}},
                   unique = {{"name", "v"}, {"type", type}, {"unique", true}};
        CHECK(refused("v\n4\n", checked) == R"(v breaks check (v < 3) in 1 row ('4') / 4 / {"v":"4"})");
        CHECK(refused("v\n4\n4\n", unique) == R"(v is there twice in 1 row ('4') / 4 / {"v":4})");
    }
    const Json high = {{"name", "high"}, {"sql", "select * from this where v > 3"}, {"severity", "error"}};
    CHECK(refused("v\n4\n2.5\n", nullptr, Json::array({high})) == R"(1 row breaks it ({"v":4}) /  / {"v":4})");
}
