#include "connectors/http/governor.hpp"

#include "flows/error.hpp"

#include <algorithm>

namespace millrace {
namespace {
/// How often a waiting thread looks whether its attempt was cancelled.
constexpr std::chrono::milliseconds look_interval(100);
constexpr std::chrono::milliseconds worth_telling(1500);

Governor::Clock::duration as_duration(double seconds) {
    return std::chrono::duration_cast<Governor::Clock::duration>(std::chrono::duration<double>(seconds));
}
} // namespace

Governor::Permit Governor::acquire(double patience, const std::function<bool()>& cancelled, const std::function<void(double)>& waiting) {
    std::unique_lock lock(mutex_);
    bool told = false;
    for (;;) {
        const auto now = Clock::now();
        const auto earliest = std::max(next_, paused_until_);
        if (now >= earliest && under_way_ < std::max(1, rate_.concurrency)) {
            ++under_way_;
            if (rate_.requests_per_second > 0) next_ = std::max(next_, now) + as_duration(1 / rate_.requests_per_second);
            return Permit(this);
        }
        if (cancelled && cancelled()) throw Error(ErrorClass::Cancelled, "the request was cancelled");
        const double pause = std::chrono::duration<double>(paused_until_ - now).count();
        if (pause > patience)
            throw Error(ErrorClass::RateLimited, "the service has asked for a pause", "run the flow again when it is over", pause);
        if (!told && waiting && earliest - now > worth_telling) {
            told = true;
            lock.unlock(); // whoever listens may take his time
            waiting(std::chrono::duration<double>(earliest - now).count());
            lock.lock();
            continue;
        }
        const auto until = now >= earliest ? now + look_interval : std::min(earliest, now + look_interval);
        changed_.wait_until(lock, until);
    }
}

void Governor::release() {
    {
        const std::lock_guard lock(mutex_);
        --under_way_;
    }
    changed_.notify_one();
}

void Governor::pause(double seconds) {
    const std::lock_guard lock(mutex_);
    paused_until_ = std::max(paused_until_, Clock::now() + as_duration(std::min(seconds, 86400.0)));
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

std::shared_ptr<Governor> Governors::of(const std::string& credential, const GovernorRate& rate) {
    const std::lock_guard lock(mutex_);
    auto& governor = by_credential_[credential];
    if (!governor)
        governor = std::make_shared<Governor>(rate);
    else
        governor->set_rate(rate);
    return governor;
}

} // namespace millrace
