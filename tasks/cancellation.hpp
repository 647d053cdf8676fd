/// Whether an attempt was told to stop, and what to do when it is.
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <mutex>

namespace millrace {

/// Must outlive the handles that it gives. Every member may be called from any thread.
class Cancellation {
public:
    void cancel() {
        const std::scoped_lock lock(mutex_);
        cancelled_ = true;
        for (const auto& action : actions_) action();
    }
    [[nodiscard]] bool cancelled() const { return cancelled_; }

    /// Runs `action` on cancel, at once when that was before. Actions must be short, and may run more than once.
    [[nodiscard]] std::shared_ptr<void> on_cancel(std::function<void()> action) {
        const std::scoped_lock lock(mutex_);
        const auto at = actions_.insert(actions_.end(), std::move(action));
        if (cancelled_) (*at)();
        return {nullptr, [this, at](void*) {
                    const std::scoped_lock held(mutex_);
                    actions_.erase(at);
                }};
    }

private:
    std::mutex mutex_;
    std::list<std::function<void()>> actions_;
    std::atomic<bool> cancelled_ = false;
};

} // namespace millrace
