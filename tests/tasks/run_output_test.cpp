// Datasets that commands write and read: CSV, JSON and Parquet, with and without a contract.
#include "connectors/manifest.hpp"
#include "tests/tasks/host_process.hpp"

using namespace millrace;
using namespace millrace::test;

TEST_CASE("the output file becomes a dataset under the contract") {
    const TempFolder run;
    HostProcess host("run");
    const Json contract = {{"columns", {{{"name", "id"}, {"type", "BIGINT"}}, {{"name", "amount"}, {"type", "DECIMAL(12,2)"}}}}};
    const AttemptDone csv = host.attempt(
        order_for(run, "csv", "run",
                  {{"command", "printf 'id,amount\\n1,2.50\\n2,3\\n' > $MILLRACE_OUTPUT"}, {"output", "csv"}, {"contract", contract}}));
    if (csv.error) FAIL(csv.error->message);
    CHECK(rows_of_dataset(host, csv.manifest).at(0) == Json({{"id", 1}, {"amount", "2.50"}}));
    const AttemptDone json = host.attempt(
        order_for(run, "json", "run",
                  {{"command", "echo '[{\"id\": 1, \"amount\": 0.1}]' > $MILLRACE_OUTPUT"}, {"output", "json"}, {"contract", contract}}));
    if (json.error) FAIL(json.error->message);
    CHECK(rows_of_dataset(host, json.manifest).at(0)["amount"] == "0.10");
    const AttemptDone bad = host.attempt(
        order_for(run, "bad", "run",
                  {{"command", "echo '[{\"id\": 1.5, \"amount\": 0.1}]' > $MILLRACE_OUTPUT"}, {"output", "json"}, {"contract", contract}}));
    REQUIRE(bad.error);
    CHECK_THAT(bad.error->message, Catch::Contains("id does not fit bigint in 1 row ('1.5')"));
    const AttemptDone more = host.attempt(
        order_for(run, "more", "run",
                  {{"command", "printf 'id,amount,note\\n1,2.50,x\\n' > $MILLRACE_OUTPUT"}, {"output", "csv"}, {"contract", contract}}));
    REQUIRE(more.error);
    CHECK_THAT(more.error->message, Catch::StartsWith("the rows have a column 'note' that the contract lacks"));
    CHECK(more.error->remedy == "add it to `columns`, or leave it out of the output");
    AttemptOrder copy = order_for(run, "copy", "run", {{"command", "cp $MILLRACE_INPUT_csv $MILLRACE_OUTPUT"}, {"output", "parquet"}});
    copy.inputs = {{"csv", csv.manifest}};
    const AttemptDone parquet = host.attempt(copy);
    if (parquet.error) FAIL(parquet.error->message);
    CHECK(parquet.rows == 2);
    CHECK_THAT(error_of(host.attempt(order_for(run, "none", "run", {{"command", "true"}, {"output", "csv"}}))).message,
               Catch::Contains("wrote no output"));
}

TEST_CASE("a command's CSV has commas and a header, and what has another form is told with its line") {
    const TempFolder run;
    HostProcess host("run");
    const auto written = [&](const std::string& text, const Json& columns = Json::array()) {
        AttemptOrder order =
            order_for(run, "csv", "run",
                      {{"command", "printf \"$TEXT\" > $MILLRACE_OUTPUT"}, {"output", "csv"}, {"contract", {{"columns", columns}}}});
        order.options["env"] = {{"TEXT", text}};
        const AttemptDone done = host.attempt(order);
        return done.error ? done.error->error_class + ": " + done.error->message : Json(rows_of_dataset(host, done.manifest)).dump();
    };
    const Json contract = Json::array({{{"name", "a"}, {"type", "INTEGER"}}, {{"name", "b"}, {"type", "VARCHAR"}}});
    for (const Json& columns : {Json::array(), contract}) {
        CHECK(written("a,b\n1,2\n3\n4,5,6\n", columns) ==
              "bad_data: line 3 of the CSV that the command wrote has 1 field, and its header 2");
        CHECK(written("a,b\n4,5,6\n", columns) == "bad_data: line 2 of the CSV that the command wrote has 3 fields, and its header 2");
        CHECK(written("a,b\n1,\"2\n3,4\n", columns) ==
              "bad_data: line 2 of the CSV that the command wrote opens a quote that is never closed");
        CHECK(written("a,a\n1,2\n", columns) == "bad_data: the header of the CSV that the command wrote has 'a' twice");
        CHECK_THAT(written("", columns), Catch::Contains("has no header"));
        CHECK(written("\"a\",b\r\n1,\"x, \"\"y\"\"\nz\"\r\n", columns) == R"([{"a":1,"b":"x, \"y\"\nz"}])");
        CHECK(written("a,b\n", columns) == "[]");
    }
    CHECK(written("a;b\n1;2\n") == R"([{"a;b":"1;2"}])");
    CHECK(written(",b\n1,2\n") == R"([{"b":2,"column0":1}])");
    CHECK_THAT(written("# comment\na,b\n1,2\n", contract), Catch::Contains("line 2") && Catch::Contains("2 fields, and its header 1"));
}

TEST_CASE("columns of a command's output that are guessed to be doubles are warned of, once") {
    const TempFolder run;
    HostProcess host("run");
    const auto warnings = [&](const std::string& output, const std::string& text, const Json& columns = Json::array()) {
        AttemptOrder order = order_for(
            run, "guessed", "run",
            {{"command", "printf '%s\\n' \"$TEXT\" > $MILLRACE_OUTPUT"}, {"output", output}, {"contract", {{"columns", columns}}}});
        order.options["env"] = {{"TEXT", text}};
        std::vector<std::string> out;
        host.send(to_line("attempt", order));
        for (Json message = host.receive_any({"event", "done"}); !message.is_null(); message = host.receive_any({"event", "done"})) {
            if (message.at("type") == "done") {
                CHECK(message.at("outcome") == "completed");
                return out;
            }
            if (message.at("kind") == "warning") out.push_back(message.at("message"));
        }
        FAIL("the host ended");
        return out;
    };
    const std::string csv = "id,amount,rate,name\n1,12345678901234567.89,0.5,x";
    CHECK(warnings("csv", csv) ==
          std::vector<std::string>{"the types of the output are guessed: amount, rate are read as double, which keeps "
                                   "about 15 digits; declare its `columns` (amount: decimal(18,2))"});
    const auto json = warnings("json", R"({"id": 1, "amount": 0.5})");
    REQUIRE(json.size() == 1);
    CHECK_THAT(json[0], Catch::Contains(": amount is read as double"));
    CHECK(warnings("csv", "id,name\n1,x").empty());
    const Json columns = Json::array({{{"name", "id"}, {"type", "BIGINT"}}, {{"name", "rate"}, {"type", "DOUBLE"}}});
    CHECK(warnings("csv", "id,rate\n1,0.5", columns).empty());
}

TEST_CASE("a command's JSON is taken as it is written, and nothing of it is dropped") {
    const TempFolder run;
    HostProcess host("run");
    const auto column = [](const char* name, const char* type, bool nullable) {
        return Json{{"name", name}, {"type", type}, {"nullable", nullable}};
    };
    const Json columns =
        Json::array({column("id", "BIGINT", false), column("amount", "DECIMAL(38,19)", true), column("big", "HUGEINT", true),
                     column("name", "VARCHAR", true), column("ok", "BOOLEAN", true), column("real", "DOUBLE", true),
                     column("parts", "STRUCT(amount DECIMAL(38,19), tags VARCHAR[])", true), column("doc", "JSON", true)});
    int number = 0;
    const auto output = [&](const std::string& text) {
        AttemptOrder order = order_for(
            run, "json" + std::to_string(++number), "run",
            {{"argv", {"/bin/sh", "-c", "cp \"$FROM\" \"$MILLRACE_OUTPUT\""}}, {"output", "json"}, {"contract", {{"columns", columns}}}});
        std::ofstream(run.path + "/from" + std::to_string(number)) << text;
        order.options["env"] = {{"FROM", run.path + "/from" + std::to_string(number)}};
        return host.attempt(order);
    };
    const std::string record =
        R"({"id": 9007199254740993, "amount": 0.1234567890123456789, "big": 170141183460469231731687303, "name": "Zo\u00eb", "ok": true, "real": 1.5e-7,
                                   "parts": {"amount": 0.1234567890123456789, "tags": ["a"]}, "doc": {"x": 0.1234567890123456789}})";
    const AttemptDone done = output("[" + record + R"(, {"id": 2, "amount": "1e-07", "name": null}, {"id": 3, "amount": 1e-07}])");
    REQUIRE(done.error);
    CHECK_THAT(done.error->message, Catch::Contains("('1e-07')")); // a text of digits is no number with an exponent
    const AttemptDone good = output("[" + record + R"(, {"id": 3, "amount": 1e-07}])");
    if (good.error) FAIL(good.error->message);
    const auto rows = rows_of_dataset(host, good.manifest, "select *, doc::varchar as text from d");
    REQUIRE(rows.size() == 2);
    CHECK(rows[0]["id"] == 9007199254740993);
    CHECK(rows[0]["amount"] == "0.1234567890123456789");
    CHECK(rows[0]["big"] == "170141183460469231731687303");
    CHECK(rows[0]["name"] == "Zoë");
    CHECK(rows[0]["ok"] == true);
    CHECK(rows[0]["parts"]["amount"] == "0.1234567890123456789");
    CHECK(rows[0]["text"] == R"({"x": 0.1234567890123456789})");
    CHECK(rows[1]["amount"] == "0.0000001000000000000");
    CHECK(rows[1]["name"].is_null());

    std::string lines;
    for (int i = 0; i < 200000; ++i) lines += R"({"id": )" + std::to_string(i) + R"(, "name": "a name that is long enough"})" + "\n";
    const AttemptDone many = output(lines);
    if (many.error) FAIL(many.error->message);
    CHECK(rows_of_dataset(host, many.manifest, "select count(distinct id) as n, min(name) as low, max(name) as high from d").at(0) ==
          Json({{"n", 200000}, {"low", "a name that is long enough"}, {"high", "a name that is long enough"}}));
    CHECK(output("\n").rows == 0);
    CHECK(output("[]").rows == 0);
    CHECK(output(record + "\n{\n\"id\": 7\n}").rows == 2);
    CHECK_THAT(error_of(output(R"([{"id": 1}, {"id": 2, "nmae": "x"}])")).message,
               Catch::StartsWith("record 2 of the command's output has the member 'nmae', which `columns` lacks"));
    CHECK_THAT(error_of(output(R"([{"id": 1, "parts": {"amont": 1}}])")).message, Catch::Contains("'parts.amont'"));
    CHECK_THAT(error_of(output(R"([{"id": 1, "name": {"x": 1}}])")).message,
               Catch::Contains("'name' is {\"x\": 1}, which is an object, declared"));
    CHECK_THAT(error_of(output(R"([{"id": 1}, {"id": )")).message, Catch::Contains("is no JSON"));
}

TEST_CASE("JSON without a record is told by a list without elements, or by an empty file where columns are declared") {
    const TempFolder run;
    HostProcess host("run");
    const auto output = [&](const std::string& text, const Json& columns = Json::array()) {
        AttemptOrder order = order_for(run, "j", "run",
                                       {{"command", "printf \"$TEXT\" > $MILLRACE_OUTPUT"},
                                        {"output", "json"},
                                        {"contract", {{"columns", columns}}},
                                        {"env", {{"TEXT", text}}}});
        const AttemptDone done = host.attempt(order);
        return done.error ? done.error->error_class + ": " + done.error->message + " / " + done.error->remedy : std::to_string(done.rows);
    };
    const Json columns = Json::array({{{"name", "id"}, {"type", "BIGINT"}}});
    for (const char* blank : {"", " \n\n"}) {
        CHECK_THAT(output(blank),
                   Catch::StartsWith("bad_data: the command ended with 0 but its output is empty") &&
                       Catch::Contains(" / declare its `columns`, with which an empty file is a dataset without rows; or write []"));
        CHECK(output(blank, columns) == "0");
    }
    CHECK(output("[]") == "0");
    CHECK(output("[]", columns) == "0");
}

TEST_CASE("JSON without a contract that is none is told in words of the flow") {
    const TempFolder run;
    HostProcess host("run");
    const auto told = [&](const std::string& text) {
        AttemptOrder order =
            order_for(run, "broken", "run", {{"command", "printf '%s\\n' \"$TEXT\" > $MILLRACE_OUTPUT"}, {"output", "json"}});
        order.options["env"] = {{"TEXT", text}};
        order.origin = {"flows/f.yaml", 6, 0};
        const AttemptDone done = host.attempt(order);
        REQUIRE(done.error);
        CHECK(done.error->error_class == "bad_data");
        CHECK_THAT(done.error->remedy, Catch::StartsWith("write one object a line, or one list of objects"));
        return done.error->message;
    };
    CHECK(told(R"([{"id": 1}, {"id":)") == "the command's output is no JSON that can be read: unexpected end of data (flows/f.yaml:6)");
    CHECK(told("{\"id\": 1}\n{id: 2}") == "the command's output is no JSON that can be read: unexpected character (flows/f.yaml:6)");
}

TEST_CASE("an input of very many files reaches the command as one") {
    const TempFolder run;
    HostProcess host("run");
    const AttemptDone one = host.attempt(order_for(run, "one", "transform", {{"sql", "select 1 as x"}}));
    Manifest manifest = read_manifest(one.manifest);
    const std::string folder = std::filesystem::path(one.manifest).parent_path();
    const ManifestPart part = manifest.parts.at(0);
    manifest.parts.clear();
    for (int i = 0; i < 3000; ++i) {
        const std::string file = "part-with-a-rather-long-name-" + std::to_string(i) + ".parquet";
        std::filesystem::create_hard_link(folder + "/" + part.file, folder + "/" + file);
        manifest.parts.push_back({file, 1, part.bytes, part.sha256});
    }
    manifest.rows = 3000;
    (void)write_manifest(folder, manifest);
    AttemptOrder copy = order_for(run, "copy", "run", {{"command", "cp $MILLRACE_INPUT_one $MILLRACE_OUTPUT"}, {"output", "parquet"}});
    copy.inputs = {{"one", one.manifest}};
    const AttemptDone done = host.attempt(copy);
    if (done.error) FAIL(done.error->message);
    CHECK(done.rows == 3000);
}
