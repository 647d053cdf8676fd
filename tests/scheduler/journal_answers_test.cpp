// How answers of the journal's thread come to the loop.
#include "scheduler/journal_answers.hpp"

#include <boost/asio/post.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <thread>
#include <vector>

using namespace millrace;

TEST_CASE("answers of a large group come in order, and others have their turn between them") {
    boost::asio::io_context io;
    JournalAnswers answers(io);
    std::vector<int> told;
    std::vector<std::size_t> told_when_others_came;
    std::function<void()> others = [&] {
        told_when_others_came.push_back(told.size());
        if (told.size() < 2000) boost::asio::post(io, others);
    };
    boost::asio::post(io, others);
    answers.await(2000);
    std::thread([&] {
        for (int i = 0; i < 2000; ++i) {
            answers.add(1, [&told, i] { told.push_back(i); });
            if (i % 700 == 0) answers.send();
        }
        answers.send();
    }).join();
    CHECK(answers.awaited() == 2000);
    io.run();
    CHECK(answers.awaited() == 0);
    REQUIRE(told.size() == 2000);
    CHECK(std::is_sorted(told.begin(), told.end()));
    CHECK(told_when_others_came.size() > 10);
}

TEST_CASE("one answer for many rows does not hold back the next turn, and an empty one counts its rows") {
    boost::asio::io_context io;
    JournalAnswers answers(io);
    bool told = false;
    answers.await(100'001);
    answers.add(100'000, {});
    answers.add(1, [&] { told = true; });
    answers.send();
    CHECK(io.run_one() == 1);
    CHECK(answers.awaited() == 1);
    CHECK_FALSE(told);
    io.run();
    CHECK(told);
}

TEST_CASE("what was added is told after the end of who added it, and once") {
    boost::asio::io_context io;
    int told = 0;
    {
        JournalAnswers answers(io);
        answers.add(0, [&] { ++told; });
        answers.send();
        answers.send();
    }
    io.run();
    CHECK(told == 1);
}
