/// Server-Sent Events: one subscription to the engine, any number of clients, each with its filter and its own queue.
#pragma once

#include "scheduler/service.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace millrace {

struct EventFilter {
    std::vector<std::string> types; ///< empty: all
    std::int64_t run_id = 0;        ///< 0: all runs
};

/// The events that wait for one client. A document that is replaced before it was sent (the same run, task run or
/// progress again) is sent once, in its newest form: a client always catches up, and a run of 100,000 tasks does not
/// drown it. Log lines are never merged.
class EventFeed {
public:
    EventFeed(boost::asio::any_io_executor executor, EventFilter filter);

    /// What waits, as text of an event stream; a comment that keeps the connection alive when nothing came for `quiet`.
    /// Empty: the feed was closed.
    [[nodiscard]] boost::asio::awaitable<std::string> next(std::chrono::milliseconds quiet);

    [[nodiscard]] bool wants(const EngineEvent& event) const;
    /// `key`: of the document that this event replaces; empty: of none.
    void push(const std::string& key, std::shared_ptr<const std::string> text);
    /// Ends the stream: the daemon stops, or the client reads too slowly.
    void close();

private:
    EventFilter filter_;
    boost::asio::steady_timer wake_;
    std::vector<std::shared_ptr<const std::string>> waiting_;
    std::map<std::string, std::size_t> newest_; ///< key -> index in waiting_
    std::size_t waiting_bytes_ = 0;
    bool closed_ = false;
};

/// Used on the loop's thread only. Must not outlive the service; a feed may outlive it.
class EventStreams {
public:
    explicit EventStreams(Service& service);

    [[nodiscard]] std::shared_ptr<EventFeed> open(boost::asio::any_io_executor executor, EventFilter filter);
    /// Ends every stream.
    void close();

private:
    struct Listeners;
    std::shared_ptr<Listeners> listeners_;
};

} // namespace millrace
