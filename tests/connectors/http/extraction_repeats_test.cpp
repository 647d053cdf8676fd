/// Records that a source has twice, and which of them is taken.
#include "tests/connectors/http/extraction_fixture.hpp"

#include <condition_variable>

using namespace millrace;
using namespace millrace::test;

namespace {

/// Twelve pages of ten, where record 5 comes again on the last page but one, `like` it was or not, and record 7 as it was.
TestAnswer page_with_repeats(int page, const std::string& hours_again) {
    constexpr int pages = 12;
    std::string list;
    for (int i = (page - 1) * 10; i < page * 10; ++i)
        list += fmt::format(R"({}{{"id":"e{}","hours":1,"n":{}}})", list.empty() ? "" : ",", i, i);
    if (page == pages - 1) list += R"(,{"id":"e5","hours":)" + hours_again + R"(,"n":5})";
    if (page == pages) list += R"(,{"id":"e7","hours":1,"n":7})";
    TestAnswer answer{200, "[" + list + "]"};
    answer.headers["Last-Page"] = page == pages ? "true" : "false";
    return answer;
}

} // namespace

TEST_CASE_METHOD(Extraction, "records that a source has twice are taken once, and told apart by whether their values are equal") {
    list_without_total();
    plan.resource.paging.last_header = "Last-Page";
    std::string again = "2";
    TestServer server([&](const TestRequest& r) { return page_with_repeats(page_of(r), again); });
    const auto slices = run(server);
    CHECK(slices[0].records == 120);
    CHECK(slices[0].complete);
    CHECK(query("hours", slices).size() == 120);
    CHECK(query("sum(hours) FILTER (id = 'e5') AS h", slices)[0].at("h") == "2.00");
    CHECK_THAT(told,
               Catch::Contains("warning: entries: 2 records came twice: 1 with equal values, 1 with other ones, such as id e5; of each "
                               "the later one (by page, then by place in it) was taken; the pages were fetched 3 times, each time "
                               "with the same result: each record was taken once\n"));

    std::filesystem::remove_all(folder + "/slices");
    told.clear();
    again = "1";
    CHECK(run(server)[0].records == 120);
    CHECK_THAT(told, Catch::Contains("entries: 2 records came twice with equal values; the pages were fetched 3 times"));

    std::filesystem::remove_all(folder + "/slices");
    told.clear();
    again = "2";
    plan.sensitive = true;
    (void)run(server);
    CHECK_THAT(told, Catch::Contains("1 with other ones; of each") && !Catch::Contains("e5"));
}

TEST_CASE_METHOD(Extraction, "the later of two records wins whichever worker fetched its page") {
    // Two workers share the pages, since the total is known. The record stands on pages 2 and 11; who asks for 2 is held up there, so
    // that the other one fetches 11.
    std::mutex mutex;
    std::condition_variable answered;
    bool later_one_came = false;
    TestServer server([&](const TestRequest& r) {
        const int page = page_of(r);
        std::unique_lock lock(mutex);
        if (page == 11) later_one_came = true;
        if (page == 2) answered.wait_for(lock, std::chrono::seconds(10), [&] { return later_one_came; });
        answered.notify_all();
        std::string list;
        for (int i = (page - 1) * 10; i < page * 10; ++i)
            list += fmt::format(R"({}{{"id":"e{}","hours":{},"n":1}})", list.empty() ? "" : ",", i == 105 ? 15 : i, i == 105 ? 2 : 1);
        return TestAnswer{200, R"({"totals":[{"count":120}],"items":[)" + list + "]}"};
    });
    plan.concurrency = plan.source.rate.concurrency = 2;
    for (int i = 0; i < 6; ++i) { // one or the other
        std::filesystem::remove_all(folder + "/slices");
        later_one_came = false;
        const auto slices = run(server);
        CHECK(slices[0].records == 119);
        CHECK(query("sum(hours) FILTER (id = 'e15') AS h", slices)[0].at("h") == "2.00");
    }
}
