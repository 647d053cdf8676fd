/// Coroutines of the loop pass one after the other, in the order in which they came.
///
///     const auto turn = co_await one_at_a_time.turn(); // until the end of the block
#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <deque>
#include <functional>
#include <memory>
#include <utility>

namespace millrace {

class OneAtATime {
    struct Line {
        bool taken = false;
        std::deque<std::function<void()>> waiting;
    };

public:
    /// Its end is that of the turn, also after the line itself is gone.
    class Turn {
    public:
        explicit Turn(std::weak_ptr<Line> line) : line_(std::move(line)) {}
        Turn(Turn&& other) noexcept : line_(std::exchange(other.line_, {})) {}
        Turn(const Turn&) = delete;
        Turn& operator=(const Turn&) = delete;
        ~Turn() {
            const auto line = line_.lock();
            if (!line) return;
            line->taken = !line->waiting.empty();
            if (!line->taken) return;
            const auto next = std::move(line->waiting.front());
            line->waiting.pop_front();
            next();
        }

    private:
        std::weak_ptr<Line> line_;
    };

    [[nodiscard]] boost::asio::awaitable<Turn> turn() {
        if (std::exchange(line_->taken, true)) co_await queue();
        co_return Turn(line_);
    }

private:
    [[nodiscard]] boost::asio::awaitable<void> queue() {
        auto initiate = [this](auto resume) {
            auto waiting = std::make_shared<decltype(resume)>(std::move(resume));
            line_->waiting.push_back([waiting] { boost::asio::post(std::move(*waiting)); });
        };
        return boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void()>(std::move(initiate), boost::asio::use_awaitable);
    }

    const std::shared_ptr<Line> line_ = std::make_shared<Line>();
};

} // namespace millrace
