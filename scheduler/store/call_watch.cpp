#include "scheduler/store/call_watch.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

#include <sys/socket.h>

namespace millrace {
namespace {

constexpr auto longest_pause = std::chrono::milliseconds(1000); ///< between looks: calls need not wake the thread
constexpr auto most_of_a_store_that_hangs = std::chrono::milliseconds(500);

} // namespace

CallWatch::CallWatch(std::chrono::milliseconds most) : most_(most), thread_([this] { work(); }) {}

CallWatch::~CallWatch() {
    {
        std::lock_guard lock(mutex_);
        over_ = true;
    }
    changed_.notify_one();
    thread_.join();
}

void CallWatch::hurry(std::chrono::milliseconds most) {
    {
        std::lock_guard lock(mutex_);
        most_ = std::min(most_, most);
        hurries_ = true;
    }
    changed_.notify_one();
}

void CallWatch::work() {
    std::unique_lock lock(mutex_);
    while (!over_) {
        const auto now = std::chrono::steady_clock::now();
        bool was_cut = false;
        for (auto& call : calls_) {
            if (call.socket < 0 || now - call.since < most_) continue;
            spdlog::warn("the store has not answered for {} ms: the connection is cut", most_.count());
            ::shutdown(call.socket, SHUT_RDWR); // its owner closes it
            call.socket = -1;
            was_cut = true;
        }
        if (was_cut && hurries_) most_ = std::min(most_, most_of_a_store_that_hangs);
        changed_.wait_for(lock, std::min(longest_pause, std::max(most_ / 4, std::chrono::milliseconds(1))));
    }
}

CallWatch::Call::Call(CallWatch& watch, int socket) : watch_(watch) {
    std::lock_guard lock(watch_.mutex_);
    entry_ = watch_.calls_.insert(watch_.calls_.end(), Entry{socket, std::chrono::steady_clock::now()});
}

CallWatch::Call::~Call() {
    std::lock_guard lock(watch_.mutex_);
    watch_.calls_.erase(entry_);
}

} // namespace millrace
