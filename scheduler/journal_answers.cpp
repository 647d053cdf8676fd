#include "scheduler/journal_answers.hpp"

#include <boost/asio/post.hpp>

#include <atomic>
#include <deque>
#include <mutex>

namespace millrace {
namespace {

constexpr std::size_t most_of_a_turn = 256; ///< rows

}

struct JournalAnswers::Line : std::enable_shared_from_this<Line> {
    struct Answer {
        std::size_t rows;
        std::function<void()> tell;
    };

    explicit Line(boost::asio::io_context& loop) : io(loop) {}

    void send() {
        boost::asio::post(io, [self = shared_from_this()] { self->turn(); });
    }

    /// One is in the loop's queue at a time: the loop looks at its timers and sockets between two.
    void turn() {
        for (std::size_t done = 0; done < most_of_a_turn;) {
            Answer next;
            {
                std::lock_guard lock(mutex);
                if (waiting.empty()) {
                    is_sent = false;
                    return;
                }
                next = std::move(waiting.front());
                waiting.pop_front();
            }
            awaited.fetch_sub(next.rows, std::memory_order_relaxed);
            if (next.tell) next.tell();
            done += next.rows + 1;
        }
        send();
    }

    boost::asio::io_context& io;
    std::mutex mutex;
    std::deque<Answer> waiting; ///< guarded by mutex
    std::atomic<std::size_t> awaited = 0;
    bool is_sent = false; ///< a turn is under way or in the loop's queue. Guarded by mutex
};

JournalAnswers::JournalAnswers(boost::asio::io_context& io) : line_(std::make_shared<Line>(io)) {}

void JournalAnswers::await(std::size_t rows) { line_->awaited.fetch_add(rows, std::memory_order_relaxed); }

std::size_t JournalAnswers::awaited() const { return line_->awaited.load(std::memory_order_relaxed); }

void JournalAnswers::add(std::size_t rows, std::function<void()> tell) {
    std::lock_guard lock(line_->mutex);
    line_->waiting.push_back({rows, std::move(tell)});
}

void JournalAnswers::send() {
    {
        std::lock_guard lock(line_->mutex);
        if (line_->waiting.empty() || std::exchange(line_->is_sent, true)) return;
    }
    line_->send();
}

} // namespace millrace
