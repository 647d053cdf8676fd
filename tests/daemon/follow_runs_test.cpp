#include "daemon/cli/follow_runs.hpp"
#include "listener.hpp"
#include "run_documents.hpp"

#include <catch2/catch.hpp>

#include <atomic>
#include <csignal>
#include <sstream>
#include <thread>
#include <vector>

#include <unistd.h>

using namespace millrace;

namespace {

/// A daemon with run 7, at whose first question the signal comes. To each that wants it cancelled it gives the next status; once it
/// took one the run is cancelled.
class Daemon {
public:
    explicit Daemon(std::vector<std::string> statuses) : statuses_(std::move(statuses)), thread_([this] { serve(); }) {}
    ~Daemon() {
        shutdown(listener_.descriptor, SHUT_RDWR);
        thread_.join();
    }
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;

    [[nodiscard]] ApiClient client() const { return ApiClient({listener_.path, "", ""}); }
    [[nodiscard]] std::size_t cancels() const { return cancels_; }

private:
    void serve() {
        std::string state = "running";
        for (bool is_first = true;; is_first = false) {
            const auto [connection, text] = listener_.request();
            if (connection < 0) return;
            if (is_first) kill(getpid(), SIGINT);
            if (text.starts_with("POST /api/v1/runs/7/cancel ")) {
                const auto& status = statuses_.at(cancels_++);
                if (status.starts_with("202")) state = "cancelled";
                test::answer(connection, status.starts_with("202") ? "{}" : R"({"detail": "not now"})", status);
            } else if (text.starts_with("GET /api/v1/runs/7/tasks")) {
                test::answer(connection, R"({"items": [], "next": null})");
            } else {
                test::answer(connection, test::run(state, {}).dump());
            }
        }
    }

    std::vector<std::string> statuses_;
    std::atomic<std::size_t> cancels_ = 0;
    test::Listener listener_;
    std::thread thread_;
};

} // namespace

TEST_CASE("a cancel that the daemon does not take while its store is away is told and asked for again") {
    Daemon daemon({"503 Service Unavailable", "503 Service Unavailable", "202 Accepted"});
    std::ostringstream out;
    const auto runs = follow_runs(daemon.client(), {"7"}, &out, Terminal{});
    CHECK(code_of_runs(runs) == exit_cancelled);
    CHECK(daemon.cancels() == 3);
    const auto told = out.str();
    CHECK_THAT(told, Catch::Contains("cancelling; once more leaves the runs to the daemon"));
    CHECK_THAT(told, Catch::Contains("the daemon cannot cancel now: it is asked again"));
    CHECK_THAT(told, Catch::Contains("the daemon was asked again, and cancels"));
}

TEST_CASE("a cancel that the daemon refuses for good ends the waiting with what it says") {
    Daemon daemon({"403 Forbidden"});
    std::ostringstream out;
    CHECK_THROWS_WITH(follow_runs(daemon.client(), {"7"}, &out, Terminal{}), "not now");
    CHECK(daemon.cancels() == 1);
}
