/// How fast and how many at once one credential may ask: shared by all attempts of this host that use the credential, and
/// through a PermitDesk with the other hosts and nodes, since the API counts them together.
///
/// A request takes a permit first and holds it until its answer is complete. Permits are spaced evenly (no bursts: an API
/// that counts in windows of its own never sees more than the rate). "Later" from the server pauses everyone.
///
/// With a desk a permit is a moment that nobody else has. They are asked for in batches, larger ones as long as all of them are
/// used: one at a time at a slow rate, up to a second's worth at a fast one. Where the desk does not answer, the governor keeps to
/// its share of the rate for a while, and asks again.
#pragma once

#include "flows/host_message.hpp"

#include <chrono>
#include <condition_variable>
#include <deque>
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

/// Whoever shares credentials among hosts. Called from any thread; what follows comes as Governors::granted() and paused().
class PermitDesk {
public:
    virtual ~PermitDesk() = default;
    virtual void ask(const PermitRequest& request) = 0;
    virtual void tell(const CredentialPause& pause) = 0;
    virtual void tell(const CredentialQuota& quota) = 0;
};

class Governor {
public:
    using Clock = std::chrono::steady_clock;

    /// `desk` null: nobody else is known of. `credential` and `connection` as in PermitRequest.
    explicit Governor(const GovernorRate& rate, std::string credential = {}, std::string connection = {}, PermitDesk* desk = nullptr)
        : credential_(std::move(credential)), connection_(std::move(connection)), desk_(desk), rate_(rate) {}

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

    /// Nobody gets a permit before so many seconds have passed, here and elsewhere. A shorter pause never shortens a longer one.
    void pause(double seconds);
    /// What an answer said of its quota. With nothing left it is a pause until there is more.
    void learn(std::optional<std::int64_t> limit, std::int64_t left, double reset);
    /// A connection that changed its limits.
    void set_rate(const GovernorRate& rate);
    [[nodiscard]] GovernorRate rate() const;

    /// What the desk answers, and what others were told.
    void granted(const PermitGrant& grant);
    void paused(double seconds);

private:
    /// Nobody else asks between `from` and `until`.
    struct Moment {
        Clock::time_point from, until;
    };
    void release();
    [[nodiscard]] Clock::time_point earliest(Clock::time_point now);
    void take(Clock::time_point now);
    void ask(Clock::time_point now);
    void hold(Clock::time_point until);

    const std::string credential_, connection_;
    PermitDesk* const desk_;

    mutable std::mutex mutex_; ///< guards everything below
    std::condition_variable changed_;
    GovernorRate rate_;
    int under_way_ = 0;
    Clock::time_point paused_until_{};

    // Alone.
    Clock::time_point next_{}; ///< no permit before
    Clock::time_point alone_until_{};
    double share_ = 1;

    // With the desk.
    std::deque<Moment> moments_;
    bool asked_ = false;
    Clock::time_point asked_at_{}, heard_at_{};
    int batch_ = 1;
    bool wasted_ = false; ///< a moment passed unused since the last batch came
    Clock::time_point told_quota_at_{};
};

/// The governors of this host, by credential (a hash of origin and secret, never the secret).
class Governors {
public:
    explicit Governors(PermitDesk* desk = nullptr) : desk_(desk) {}

    /// `shared`: the desk knows of this one.
    [[nodiscard]] std::shared_ptr<Governor> of(const std::string& credential, const std::string& connection, const GovernorRate& rate,
                                               bool shared);
    void granted(const PermitGrant& grant);
    void paused(const CredentialPause& pause);

private:
    [[nodiscard]] std::shared_ptr<Governor> find(const std::string& credential);

    PermitDesk* const desk_;
    std::mutex mutex_;
    std::map<std::string, std::shared_ptr<Governor>> by_credential_;
};

} // namespace millrace
