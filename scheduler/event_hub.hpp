/// Who listens to what changes. On the loop's thread.
#pragma once

#include "scheduler/service.hpp"

#include <map>
#include <memory>

namespace millrace {

class EventHub {
public:
    using Receiver = std::function<void(const EngineEvent&)>;

    [[nodiscard]] std::unique_ptr<Subscription> subscribe(Receiver receive) {
        const auto id = ++room_->last;
        room_->receivers.emplace(id, std::move(receive));
        return std::make_unique<Seat>(room_, id);
    }
    /// Making a document costs; nobody needs one that nobody hears.
    [[nodiscard]] bool heard() const { return !room_->receivers.empty(); }
    void publish(const EngineEvent& event) {
        const auto receivers = room_->receivers; // a receiver may leave while it is called
        for (const auto& [id, receive] : receivers)
            if (room_->receivers.contains(id)) receive(event);
    }

private:
    struct Room {
        std::map<std::uint64_t, Receiver> receivers;
        std::uint64_t last = 0;
    };
    struct Seat final : Subscription {
        Seat(std::shared_ptr<Room> r, std::uint64_t i) : room(std::move(r)), id(i) {}
        ~Seat() override { room->receivers.erase(id); }
        std::shared_ptr<Room> room;
        std::uint64_t id;
    };
    std::shared_ptr<Room> room_ = std::make_shared<Room>();
};

} // namespace millrace
