/// The SQL of flows/library/clockify_summary.yaml over reports in the shapes that Clockify may send.
#include "tests/tasks/host_process.hpp"

#include <catch2/catch.hpp>
#include <yaml-cpp/yaml.h>

using namespace millrace;
using namespace millrace::test;

namespace {

const char* const columns =
    R"j([{"_id":"VARCHAR","name":"VARCHAR","duration":"BIGINT","amount":"DECIMAL(38,18)","amounts":"JSON","children":[{
    "_id":"VARCHAR","name":"VARCHAR","clientId":"VARCHAR","clientName":"VARCHAR","duration":"BIGINT","amount":"DECIMAL(38,18)","amounts":"JSON","children":[{
    "_id":"VARCHAR","name":"VARCHAR","duration":"BIGINT","amount":"DECIMAL(38,18)","amounts":"JSON"}]}]}])j";

/// "user project client tags hours amount" of every row that the flow makes of the groups of one day.
std::string booked(const std::string& groups) {
    const TempFolder run;
    HostProcess host;
    AttemptOrder report =
        order_for(run, "report", "transform",
                  {{"sql", std::string("select {'date': date '2026-11-02'} as _window, g.* from (select unnest(from_json('") + groups +
                               "', '" + columns + "')) as g)"}});
    const AttemptDone reported = host.attempt(report);
    if (reported.error) FAIL(reported.error->message);
    const YAML::Node flow = YAML::LoadFile(MILLRACE_SOURCE_DIR "/flows/library/clockify_summary.yaml");
    AttemptOrder rows = order_for(run, "rows", "transform", {{"sql", flow["tasks"]["rows"]["transform"].as<std::string>()}});
    rows.inputs = {{"report", reported.manifest}};
    const AttemptDone done = host.attempt(rows);
    if (done.error) FAIL(done.error->message);
    std::string out;
    for (const Json& row : rows_of_dataset(host, done.manifest,
                                           "select concat_ws(' ', user_id, project_id, client, tags, cast(duration_decimal as "
                                           "decimal(18,4)), cast(amount_decimal as decimal(18,6))) as line from d order by line"))
        out += row.at("line").get<std::string>() + "\n";
    return out;
}

} // namespace

TEST_CASE("what a group's children do not account for is booked without a tag, or without a project") {
    CHECK(
        booked(
            R"j([{"_id":"u","duration":7200,"amount":300,"children":[{"_id":"p","name":"P","clientName":"C","duration":5400,"amount":250,"children":[
        {"_id":"t","name":"T","duration":3600,"amount":200}]}]}])j") ==
        "u    0.5000 0.500000\nu p C  0.5000 0.500000\nu p C T 1.0000 2.000000\n");
}

TEST_CASE("a group without an id, one without children and one that has none to have are the same hours") {
    const std::string want = "u p   1.0000 0.000000\n";
    CHECK(
        booked(
            R"j([{"_id":"u","duration":3600,"children":[{"_id":"p","duration":3600,"children":[{"_id":"","name":"(Without Tag)","duration":3600}]}]}])j") ==
        want);
    CHECK(booked(R"j([{"_id":"u","duration":3600,"children":[{"_id":"p","duration":3600,"children":[]}]}])j") == want);
    CHECK(booked(R"j([{"_id":"u","duration":3600,"children":[{"_id":"p","duration":3600}]}])j") == want);
    CHECK(booked(R"j([{"_id":"u","duration":3600}])j") == "u    1.0000 0.000000\n");
    CHECK(booked(R"j([{"_id":"u","duration":0,"children":[{"_id":"p","duration":0}]}])j") == "u p   0.0000 0.000000\n");
}

TEST_CASE("an entry with two tags counts for each, and two tags of one name are one row") {
    CHECK(
        booked(
            R"j([{"_id":"u","duration":3600,"children":[{"_id":"p","duration":3600,"children":[{"_id":"a","name":"A","duration":3600},{"_id":"b","name":"B","duration":3600}]}]}])j") ==
        "u p  A 1.0000 0.000000\nu p  B 1.0000 0.000000\n");
    CHECK(
        booked(
            R"j([{"_id":"u","duration":3600,"children":[{"_id":"p","duration":3600,"children":[{"_id":"a","name":"A","duration":1801},{"_id":"b","name":"A","duration":1799}]}]}])j") ==
        "u p  A 1.0000 0.000000\n");
}

TEST_CASE("an amount that is absent stands in amounts, under its type") {
    CHECK(booked(R"j([{"_id":"u","duration":3600,"children":[{"_id":"p","duration":3600,"children":[
        {"_id":"a","name":"A","duration":1800,"amounts":[{"type":"COST","value":7},{"type":"EARNED","value":40055.5555}]},{"_id":"b","name":"B","duration":1800,"amounts":[]}]}]}])j") ==
          "u p  A 0.5000 400.555555\nu p  B 0.5000 0.000000\n");
}

TEST_CASE("sums beyond the contract's decimals are for the contract to refuse") {
    CHECK(booked(R"j([{"_id":"u","duration":36000000000000,"amount":1000000000000}])j") == "u    10000000000.0000 10000000000.000000\n");
}
