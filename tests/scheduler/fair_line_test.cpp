#include "scheduler/fair_line.hpp"

#include <catch2/catch.hpp>

using namespace millrace;

namespace {

std::string all_of(FairLine<std::string>& line, int most = 1000) {
    std::string out;
    while (!line.empty() && most-- > 0) out += line.take();
    return out;
}

void join(FairLine<std::string>& line, const std::string& flow, int n, double weight = 1) {
    for (int i = 0; i < n; ++i) line.join(flow, weight, flow);
}

} // namespace

TEST_CASE("flows take turns, however much each has waiting") {
    FairLine<std::string> line;
    join(line, "a", 6);
    join(line, "b", 2);
    CHECK(all_of(line) == "ababaaaa");
}

TEST_CASE("who comes late has the next turn, not those that passed") {
    FairLine<std::string> line;
    join(line, "a", 100);
    CHECK(all_of(line, 50) == std::string(50, 'a'));
    join(line, "b", 3);
    CHECK(all_of(line, 6) == "bababa");
}

TEST_CASE("a flow of high priority has most of the turns, and no flow waits for ever") {
    FairLine<std::string> line;
    join(line, "l", 2, 1);
    join(line, "h", 40, 16);
    const auto order = all_of(line);
    CHECK(order.substr(0, 1) == "h");
    CHECK(order.find('l') <= 16);
    CHECK(order.substr(0, 34).find_last_of('l') != order.find('l'));
}

TEST_CASE("within a flow the order is that of arrival, and who comes back goes first") {
    FairLine<std::string> line;
    for (const auto* item : {"1", "2", "3"}) line.join("a", 4, item);
    CHECK(line.take() == "1");
    line.join_first("again ");
    CHECK(all_of(line) == "again 23");
}

TEST_CASE("a line that was empty begins anew") {
    FairLine<std::string> line;
    join(line, "a", 50);
    (void)all_of(line);
    join(line, "a", 2);
    join(line, "b", 2);
    CHECK(all_of(line) == "abab");
}
