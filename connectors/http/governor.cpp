#include "connectors/http/governor.hpp"

#include "flows/error.hpp"
#include "flows/time.hpp"

#include <algorithm>

namespace millrace {
namespace {

/// How often a waiting thread looks whether its attempt was cancelled.
constexpr std::chrono::milliseconds look_interval(100);
constexpr std::chrono::milliseconds worth_telling(1500);
/// A moment is still good so much after its end: threads wake late.
constexpr std::chrono::milliseconds grace(20);
constexpr std::chrono::seconds patience_with_desk(2), time_alone(5);
/// How long it holds that nobody has paused a credential without a rate.
constexpr std::chrono::milliseconds heard_lately(2000);
constexpr double longest_pause = 86400;

Governor::Clock::duration as_duration(double seconds) {
    return std::chrono::duration_cast<Governor::Clock::duration>(std::chrono::duration<double>(seconds));
}

std::string clock_time(double seconds_from_now) {
    const auto at = std::chrono::system_clock::now() +
                    std::chrono::duration_cast<std::chrono::system_clock::duration>(std::chrono::duration<double>(seconds_from_now));
    return to_rfc3339(std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::ceil<std::chrono::seconds>(at)));
}

} // namespace

Governor::Permit Governor::acquire(double patience, const std::function<bool()>& cancelled, const std::function<void(double)>& waiting) {
    std::unique_lock lock(mutex_);
    bool told = false;
    for (;;) {
        const auto now = Clock::now();
        const double pause = std::chrono::duration<double>(paused_until_ - now).count();
        const bool is_free = under_way_ < std::max(1, rate_.concurrency);
        const auto from = is_free && pause <= patience ? earliest(now) : paused_until_;
        if (is_free && now >= from) {
            take(now);
            ++under_way_;
            return Permit(this);
        }
        if (cancelled && cancelled()) throw Error(ErrorClass::Cancelled, "the request was cancelled");
        if (pause > patience)
            throw Error(ErrorClass::RateLimited,
                        "the service has asked for a pause: it waits for the rate limit" +
                            (connection_.empty() ? "" : " of " + connection_) + " until " + clock_time(pause),
                        "run the flow again when it is over", pause);
        const bool is_known = from != Clock::time_point::max();
        if (!told && waiting && is_known && from - now > worth_telling) {
            told = true;
            lock.unlock(); // whoever listens may take his time
            waiting(std::chrono::duration<double>(from - now).count());
            lock.lock();
            continue;
        }
        const auto until = !is_known || now >= from ? now + look_interval : std::min(from, now + look_interval);
        changed_.wait_until(lock, until);
    }
}

/// When the next permit is good; max(): it was asked for.
Governor::Clock::time_point Governor::earliest(Clock::time_point now) {
    const bool alone = desk_ == nullptr || now < alone_until_;
    if (alone) return std::max(paused_until_, rate_.requests_per_second > 0 ? next_ : Clock::time_point{});
    if (rate_.requests_per_second <= 0) {
        if (now - heard_at_ > heard_lately / 2) ask(now);
        if (now - heard_at_ > heard_lately) return now < alone_until_ ? paused_until_ : Clock::time_point::max();
        return paused_until_;
    }
    while (!moments_.empty() && moments_.front().until + grace < now) moments_.pop_front(), wasted_ = true;
    if (!moments_.empty()) return std::max(paused_until_, moments_.front().from);
    ask(now);
    return now < alone_until_ ? std::max(paused_until_, next_) : Clock::time_point::max();
}

/// What earliest() promised.
void Governor::take(Clock::time_point now) {
    if (rate_.requests_per_second <= 0) return;
    if (desk_ == nullptr || now < alone_until_) {
        next_ = std::max(next_, now) + as_duration(1 / (rate_.requests_per_second * share_));
        return;
    }
    moments_.pop_front();
    if (batch_ > 1 && static_cast<int>(moments_.size()) <= batch_ / 2) ask(now);
}

/// Once, until it is answered or that takes too long.
void Governor::ask(Clock::time_point now) {
    if (asked_ && now - asked_at_ > patience_with_desk) {
        asked_ = false;
        alone_until_ = now + time_alone;
        return;
    }
    if (asked_) return;
    asked_ = true;
    asked_at_ = now;
    const bool limited = rate_.requests_per_second > 0;
    if (limited) {
        const int most = std::max(1, static_cast<int>(rate_.requests_per_second));
        batch_ = std::clamp(wasted_ ? batch_ / 2 : heard_at_ == Clock::time_point{} ? 1 : batch_ * 2, 1, most);
        wasted_ = false;
    }
    desk_->ask({credential_, connection_, rate_.requests_per_second, limited ? batch_ : 0});
}

void Governor::granted(const PermitGrant& grant) {
    {
        const std::lock_guard lock(mutex_);
        const auto now = Clock::now();
        asked_ = false;
        heard_at_ = now;
        if (grant.share > 0) share_ = std::min(grant.share, 1.0);
        if (grant.alone) alone_until_ = now + time_alone;
        if (grant.paused > 0) hold(now + as_duration(std::min(grant.paused, longest_pause)));
        for (int i = 0; i < grant.count; ++i) {
            const auto from = now + as_duration(grant.wait + i * grant.spacing);
            moments_.push_back({from, from + as_duration(grant.spacing / 2)}); // later it would be too near to the next one
        }
        // Whoever is left alone later begins behind what he had.
        if (!moments_.empty()) next_ = std::max(next_, moments_.back().until);
    }
    changed_.notify_all();
}

void Governor::release() {
    {
        const std::lock_guard lock(mutex_);
        --under_way_;
    }
    changed_.notify_one();
}

void Governor::hold(Clock::time_point until) {
    paused_until_ = std::max(paused_until_, until);
    std::erase_if(moments_, [this](const Moment& moment) { return moment.from < paused_until_; });
}

void Governor::paused(double seconds) {
    {
        const std::lock_guard lock(mutex_);
        hold(Clock::now() + as_duration(std::min(seconds, longest_pause)));
    }
    changed_.notify_all();
}

void Governor::pause(double seconds) {
    paused(seconds);
    if (desk_ != nullptr) desk_->tell(CredentialPause{credential_, connection_, std::min(seconds, longest_pause)});
}

void Governor::learn(std::optional<std::int64_t> limit, std::int64_t left, double reset) {
    if (left <= 0 && reset > 0) pause(reset);
    if (desk_ == nullptr) return;
    {
        const std::lock_guard lock(mutex_);
        const auto now = Clock::now();
        if (left > 0 && now - told_quota_at_ < std::chrono::seconds(1)) return;
        told_quota_at_ = now;
    }
    desk_->tell(CredentialQuota{credential_, connection_, limit, left, reset});
}

void Governor::set_rate(const GovernorRate& rate) {
    {
        const std::lock_guard lock(mutex_);
        rate_ = rate;
    }
    changed_.notify_all();
}

GovernorRate Governor::rate() const {
    const std::lock_guard lock(mutex_);
    return rate_;
}

std::shared_ptr<Governor> Governors::of(const std::string& credential, const std::string& connection, const GovernorRate& rate,
                                        bool shared) {
    const std::lock_guard lock(mutex_);
    auto& governor = by_credential_[credential];
    if (!governor)
        governor = std::make_shared<Governor>(rate, credential, connection, shared ? desk_ : nullptr);
    else
        governor->set_rate(rate);
    return governor;
}

std::shared_ptr<Governor> Governors::find(const std::string& credential) {
    const std::lock_guard lock(mutex_);
    const auto at = by_credential_.find(credential);
    return at == by_credential_.end() ? nullptr : at->second;
}

void Governors::granted(const PermitGrant& grant) {
    if (const auto governor = find(grant.credential)) governor->granted(grant);
}

void Governors::paused(const CredentialPause& pause) {
    if (const auto governor = find(pause.credential)) governor->paused(pause.seconds);
}

} // namespace millrace
