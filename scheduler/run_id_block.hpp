/// Run ids from the store's sequence, a block at a time, so that a trigger costs no round trip for its id. When they run out,
/// because thousands of schedules are due at once, the next fetch brings four times as many.
///
/// Numbers tell which run is newer over all nodes, to a few seconds: each looks now and then whether another has the newest block.
#pragma once

#include "scheduler/runner.hpp"
#include "scheduler/store/store.hpp"

#include <boost/asio/co_spawn.hpp>

#include <algorithm>
#include <deque>
#include <optional>
#include <vector>

namespace millrace {

class RunIdBlock final : public RunIds {
public:
    RunIdBlock(boost::asio::io_context& io, Store& store) : io_(io), store_(store) {}

    [[nodiscard]] std::int64_t take() override {
        if (ids_.size() <= run_id_block / 2) fetch();
        if (ids_.empty()) {
            ran_out_ = newest_block_ > 0 && !gave_up_; // else what is on its way says nothing of how many are wanted
            return 0;
        }
        const auto id = ids_.front();
        ids_.pop_front();
        return id;
    }

    struct Unused {
        std::int64_t first; ///< of those without a gap up to the last of the newest block
        std::int64_t block; ///< where that block begins
    };
    /// No id is given out any more. What the next daemon may have; nothing while a block is on its way.
    [[nodiscard]] std::optional<Unused> close() {
        const bool fetching = std::exchange(fetching_, true);
        if (fetching || ids_.empty()) return std::nullopt;
        Unused unused{ids_.back(), newest_block_};
        for (auto id = ids_.rbegin(); id != ids_.rend() && *id >= unused.first - 1; ++id) unused.first = *id;
        ids_.clear();
        return unused;
    }

    /// Lower ones are not given out any more.
    void forget_below(std::int64_t first) {
        if (give_up_below(first) && ids_.size() <= run_id_block / 2) fetch();
    }

    /// The block that the store gave last, to whomever. What we have from before it is given up; the next take() fetches, and not this,
    /// for nodes without work would go on and on taking the lead of each other.
    void see_newest(std::int64_t block) {
        if (!fetching_ && block > newest_block_) (void)give_up_below(block);
    }

    /// Where each of the blocks begins. One that does not come after the others is of a store that lost history, which the journal
    /// will notice: its numbers may be those of live runs.
    void add(const std::vector<std::int64_t>& blocks) {
        for (const auto first : blocks) {
            if (first <= newest_block_) continue;
            newest_block_ = first;
            gave_up_ = false;
            for (std::int64_t i = 0; i < run_id_block; ++i) ids_.push_back(first + i);
        }
    }

private:
    bool give_up_below(std::int64_t first) {
        if (std::erase_if(ids_, [first](std::int64_t id) { return id < first; }) == 0) return false;
        gave_up_ = ids_.empty();
        return true;
    }
    void fetch() {
        if (std::exchange(fetching_, true)) return;
        const int asked = std::exchange(ran_out_, false) ? std::min(blocks_ * 4, most_blocks) : std::max(blocks_ / 2, 1);
        boost::asio::co_spawn(io_, store_.new_run_ids(asked), [this, asked](std::exception_ptr failed, std::vector<std::int64_t> blocks) {
            fetching_ = false;
            if (failed) return;
            blocks_ = asked;
            add(blocks);
        });
    }

    static constexpr int most_blocks = 64;

    boost::asio::io_context& io_;
    Store& store_;
    std::deque<std::int64_t> ids_;
    std::int64_t newest_block_ = 0;
    int blocks_ = 1;
    bool fetching_ = false, ran_out_ = false;
    bool gave_up_ = false; ///< what we had: that none is left is not for want of many
};

} // namespace millrace
