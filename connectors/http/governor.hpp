/// How fast and how many at once one credential may ask: shared by all attempts of this host that use the credential,
/// since the API counts them together.
///
/// A request takes a permit first and holds it until its answer is complete. Permits are spaced evenly (no bursts: an API
/// that counts in windows of its own never sees more than the rate). "Later" from the server pauses everyone.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace millrace {

struct GovernorRate {
    double requests_per_second = 0; ///< 0: no limit
    int concurrency = 1;            ///< requests under way at once, 1 at least
};

class Governor {
public:
    using Clock = std::chrono::steady_clock;

    explicit Governor(const GovernorRate& rate) : rate_(rate) {}

    /// Gives the permit back.
    class Permit {
    public:
        explicit Permit(Governor* owner) : owner_(owner) {}
        Permit(Permit&& other) noexcept : owner_(other.owner_) { other.owner_ = nullptr; }
        Permit& operator=(Permit&&) = delete;
        ~Permit() {
            if (owner_ != nullptr) owner_->release();
        }

    private:
        Governor* owner_;
    };

    /// Waits for a permit. `waiting` is called once when it takes longer than a moment, with the seconds that are known.
    /// Throws Error{Cancelled} when `cancelled` says so, and Error{RateLimited} for a pause of more than `patience` seconds.
    [[nodiscard]] Permit acquire(double patience, const std::function<bool()>& cancelled, const std::function<void(double)>& waiting);

    /// Nobody gets a permit before so many seconds have passed. A shorter pause never shortens a longer one.
    void pause(double seconds);
    /// A connection that changed its limits.
    void set_rate(const GovernorRate& rate);
    [[nodiscard]] GovernorRate rate() const;

private:
    void release();

    mutable std::mutex mutex_; ///< guards everything below
    std::condition_variable changed_;
    GovernorRate rate_;
    int under_way_ = 0;
    Clock::time_point next_{}; ///< no permit before
    Clock::time_point paused_until_{};
};

/// The governors of this host, by credential (a hash of origin and secret, never the secret).
class Governors {
public:
    [[nodiscard]] std::shared_ptr<Governor> of(const std::string& credential, const GovernorRate& rate);

private:
    std::mutex mutex_;
    std::map<std::string, std::shared_ptr<Governor>> by_credential_;
};

} // namespace millrace
