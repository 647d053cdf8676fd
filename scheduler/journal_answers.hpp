/// What the journal's thread has to tell the loop: in order, and in turns that are short. A group commit may answer thousands of
/// changes, each of which starts work; others wait meanwhile.
#pragma once

#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <functional>
#include <memory>

namespace millrace {

/// Any thread; what was added may still be told after the end of this, as long as the loop runs.
class JournalAnswers {
public:
    explicit JournalAnswers(boost::asio::io_context& io);
    /// So many rows more are to be answered for.
    void await(std::size_t rows);
    /// Not yet answered for.
    [[nodiscard]] std::size_t awaited() const;
    /// `tell`, which may be empty, is called on the loop and answers for so many rows.
    void add(std::size_t rows, std::function<void()> tell);
    /// Once for all that was added since.
    void send();

private:
    struct Line;
    std::shared_ptr<Line> line_;
};

} // namespace millrace
