#include "web/event_streams.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>

namespace millrace {

namespace asio = boost::asio;

namespace {

/// A client that falls this far behind is let go: it reconnects and reads the state anew, which is cheaper for both.
constexpr std::size_t most_waiting_bytes = 8 << 20;
/// Events gather for so long before they are sent, so that a busy run costs few wake-ups and documents merge.
constexpr std::chrono::milliseconds gather(40);

std::string event_text(const EngineEvent& event) {
    Json data = event.data;
    if (event.run_id != 0 && data.is_object() && event.type != "run" && event.type != "flow") data["run_id"] = event.run_id;
    return "event: " + event.type + "\ndata: " + data.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n\n";
}

std::string text_member(const Json& data, const char* name) {
    const auto found = data.find(name);
    return found != data.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// Which document an event is the newest form of.
std::string document_key(const EngineEvent& event) {
    if (!event.data.is_object()) return {};
    std::string key = event.type + "/" + std::to_string(event.run_id);
    if (event.type == "flow") key += "/" + text_member(event.data, "name");
    if (event.type == "task_run" || event.type == "progress")
        key += "/" + text_member(event.data, "task") + "/" + text_member(event.data, "item_hash");
    return key;
}

} // namespace

EventFeed::EventFeed(asio::any_io_executor executor, EventFilter filter) : filter_(std::move(filter)), wake_(executor) {}

bool EventFeed::wants(const EngineEvent& event) const {
    if (filter_.run_id != 0 && event.run_id != filter_.run_id) return false;
    return filter_.types.empty() || std::find(filter_.types.begin(), filter_.types.end(), event.type) != filter_.types.end();
}

void EventFeed::push(const std::string& key, std::shared_ptr<const std::string> text) {
    if (closed_) return;
    waiting_bytes_ += text->size();
    if (waiting_bytes_ > most_waiting_bytes) {
        close();
        return;
    }
    if (!key.empty()) {
        const auto [place, is_new] = newest_.try_emplace(key, waiting_.size());
        if (!is_new) {
            waiting_bytes_ -= waiting_[place->second]->size();
            waiting_[place->second].reset();
            place->second = waiting_.size();
        }
    }
    waiting_.push_back(std::move(text));
    if (waiting_.size() == 1) wake_.cancel();
}

void EventFeed::close() {
    closed_ = true;
    wake_.cancel();
}

asio::awaitable<std::string> EventFeed::next(std::chrono::milliseconds quiet) {
    boost::system::error_code ignored;
    if (waiting_.empty() && !closed_) {
        wake_.expires_after(quiet);
        co_await wake_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    if (!closed_ && !waiting_.empty()) {
        wake_.expires_after(gather);
        co_await wake_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    if (closed_) co_return std::string();
    if (waiting_.empty()) co_return std::string(": still here\n\n");
    std::string text;
    text.reserve(waiting_bytes_);
    for (const auto& event : waiting_) {
        if (event) text += *event;
    }
    waiting_.clear();
    newest_.clear();
    waiting_bytes_ = 0;
    co_return text;
}

/// Subscribed only while somebody listens: the engine makes no documents that nobody reads.
struct EventStreams::Listeners {
    Service& service;
    std::vector<EventFeed*> feeds;
    std::unique_ptr<Subscription> subscription;

    explicit Listeners(Service& s) : service(s) {}

    void add(EventFeed* feed) {
        feeds.push_back(feed);
        if (!subscription) subscription = service.subscribe([this](const EngineEvent& event) { deliver(event); });
    }
    void remove(EventFeed* feed) {
        std::erase(feeds, feed);
        if (feeds.empty()) subscription.reset();
    }
    void deliver(const EngineEvent& event) {
        std::shared_ptr<const std::string> text;
        std::string key;
        for (EventFeed* feed : feeds) {
            if (!feed->wants(event)) continue;
            if (!text) {
                text = std::make_shared<const std::string>(event_text(event));
                key = document_key(event);
            }
            feed->push(key, text);
        }
    }
};

EventStreams::EventStreams(Service& service) : listeners_(std::make_shared<Listeners>(service)) {}

std::shared_ptr<EventFeed> EventStreams::open(asio::any_io_executor executor, EventFilter filter) {
    const std::weak_ptr<Listeners> listeners = listeners_;
    const auto leave = [listeners](EventFeed* feed) {
        if (const auto still_there = listeners.lock()) still_there->remove(feed);
        delete feed;
    };
    const std::shared_ptr<EventFeed> feed(new EventFeed(std::move(executor), std::move(filter)), leave);
    listeners_->add(feed.get());
    return feed;
}

void EventStreams::close() {
    listeners_->subscription.reset();
    for (EventFeed* feed : listeners_->feeds) feed->close();
}

} // namespace millrace
