#include "connectors/http/slice_board.hpp"

namespace millrace {

SliceBoard::SliceBoard(std::deque<SliceRun>& runs, Open open) : runs_(runs), open_(std::move(open)) {
    for (SliceRun& run : runs_) {
        done_ += run.done ? 1 : 0;
        count(run);
    }
}

SliceRun* SliceBoard::take() {
    std::unique_lock lock(mutex_);
    for (;;) {
        if (stopped_) return nullptr;
        if (begun_enough_) next_ = runs_.size();
        while (next_ < runs_.size() && (runs_[next_].started || runs_[next_].done)) ++next_;
        bool busy = false;
        SliceRun* shared = nullptr;
        for (std::size_t i = 0; i < runs_.size() && next_ == runs_.size(); ++i) {
            SliceRun& run = runs_[i];
            if (run.done || (begun_enough_ && !run.started && run.walk_number == 1)) continue;
            busy = true;
            if (!run.started || (!run.failure && run.walk.can_share())) shared = &run;
            if (shared != nullptr) break;
        }
        SliceRun* found = next_ < runs_.size() ? &runs_[next_] : shared;
        if (found != nullptr) {
            if (!found->request) found->request = open_(found->slice);
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
    if (finished) {
        ++done_;
        run.request.reset();
        count(run);
    }
    changed_.notify_all();
}

void SliceBoard::begin_no_more() {
    const std::lock_guard lock(mutex_);
    begun_enough_ = true;
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

std::int64_t SliceBoard::announced() const {
    const std::lock_guard lock(mutex_);
    return counted_ == runs_.size() ? announced_ : 0;
}

void SliceBoard::count(SliceRun& run) {
    const auto total = run.done ? run.manifest.announced : run.walk.announced();
    if (total == run.counted) return;
    announced_ += total.value_or(0) - run.counted.value_or(0);
    counted_ += (total ? 1U : 0U) - (run.counted ? 1U : 0U);
    run.counted = total;
}

} // namespace millrace
