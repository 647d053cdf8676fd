/// Run ids from the store's sequence, a block at a time, so that a trigger costs no round trip for its id.
#pragma once

#include "scheduler/runner.hpp"
#include "scheduler/store/store.hpp"

#include <boost/asio/co_spawn.hpp>

namespace millrace {

class RunIdBlock final : public RunIds {
public:
    RunIdBlock(boost::asio::io_context& io, Store& store) : io_(io), store_(store) {}

    [[nodiscard]] std::int64_t take() override {
        if (ids_.size() <= run_id_block / 2) fetch();
        if (ids_.empty()) return 0;
        const auto id = ids_.front();
        ids_.pop_front();
        return id;
    }

    void add(std::int64_t first) {
        for (std::int64_t i = 0; i < run_id_block; ++i) ids_.push_back(first + i);
    }

private:
    void fetch() {
        if (std::exchange(fetching_, true)) return;
        boost::asio::co_spawn(io_, store_.new_run_ids(), [this](std::exception_ptr failed, std::int64_t first) {
            fetching_ = false;
            if (!failed) add(first);
        });
    }

    boost::asio::io_context& io_;
    Store& store_;
    std::deque<std::int64_t> ids_;
    bool fetching_ = false;
};

} // namespace millrace
