#include "connectors/http/slice_board.hpp"

#include <algorithm>

namespace millrace {

SliceRun* SliceBoard::take() {
    std::unique_lock lock(mutex_);
    for (;;) {
        if (stopped_) return nullptr;
        while (next_ < runs_.size() && (runs_[next_].started || runs_[next_].done)) ++next_;
        bool busy = false;
        SliceRun* shared = nullptr;
        for (std::size_t i = 0; i < runs_.size() && next_ == runs_.size(); ++i) {
            SliceRun& run = runs_[i];
            if (run.done) continue;
            busy = true;
            if (!run.started || (!run.failure && run.walk.can_share())) shared = &run;
            if (shared != nullptr) break;
        }
        SliceRun* found = next_ < runs_.size() ? &runs_[next_] : shared;
        if (found != nullptr) {
            found->started = true;
            ++found->workers;
            return found;
        }
        if (!busy) return nullptr;
        changed_.wait(lock);
    }
}

bool SliceBoard::leave(SliceRun& run, Piece piece, std::exception_ptr failure) {
    const std::lock_guard lock(mutex_);
    run.pieces.push_back(std::move(piece));
    if (failure && !run.failure) run.failure = failure;
    if (failure) run.walk.stop();
    return --run.workers == 0;
}

void SliceBoard::conclude(SliceRun& run, bool finished) {
    const std::lock_guard lock(mutex_);
    run.done = finished;
    run.started = finished;
    changed_.notify_all();
}

void SliceBoard::stop(std::exception_ptr why) {
    const std::lock_guard lock(mutex_);
    if (!reason_) reason_ = why;
    stopped_ = true;
    changed_.notify_all();
}

std::exception_ptr SliceBoard::reason() const {
    const std::lock_guard lock(mutex_);
    return reason_;
}

std::int64_t SliceBoard::done() const {
    const std::lock_guard lock(mutex_);
    return std::count_if(runs_.begin(), runs_.end(), [](const SliceRun& run) { return run.done; });
}

std::int64_t SliceBoard::announced() const {
    const std::lock_guard lock(mutex_);
    std::int64_t sum = 0;
    for (const SliceRun& run : runs_) {
        const auto announced = run.done ? run.manifest.announced : run.walk.announced();
        if (!announced) return 0;
        sum += *announced;
    }
    return sum;
}

} // namespace millrace
