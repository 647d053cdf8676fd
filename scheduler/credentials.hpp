/// Rates and pauses of credentials, shared by the hosts of this node and through the store with other nodes. A host's permits are
/// claimed in the store, a pause that one host was told goes to the others at once and to the store, and what other nodes were told
/// is looked up twice a second while a host uses the credential. No request passes here, and no secret: credentials are hashes.
#pragma once

#include "scheduler/attempt_runner.hpp"
#include "scheduler/clock.hpp"
#include "scheduler/store/store.hpp"

#include <boost/asio/io_context.hpp>

#include <functional>
#include <map>
#include <memory>
#include <string>

namespace millrace {

/// Used on the loop's thread. Answers come on the loop, never from inside a call.
class Credentials final : public CredentialDesk {
public:
    /// `tell_hosts`: to all that this node has.
    Credentials(boost::asio::io_context& io, Clock& clock, Store& store, std::function<void(const CredentialPause&)> tell_hosts);
    ~Credentials() override { stop(); }

    void permits(PermitRequest request, std::function<void(PermitGrant)> answer) override;
    void pause(CredentialPause pause) override;
    void quota(CredentialQuota quota) override;

    /// How many share a rate: what a host keeps to while the store is away.
    void set_nodes(std::size_t nodes) { nodes_ = std::max<std::size_t>(nodes, 1); }
    void stop();

private:
    struct Used {
        std::chrono::microseconds at{0}, paused_until{0}; ///< of Clock::uptime()
    };
    void look_soon();
    void look();
    void store_pause(CredentialPause pause, int tries);
    bool learn(const std::string& credential, double seconds);

    boost::asio::io_context& io_;
    Clock& clock_;
    Store& store_;
    std::function<void(const CredentialPause&)> tell_hosts_;
    std::map<std::string, Used> used_; ///< lately
    std::size_t nodes_ = 1;
    Clock::TimerId timer_ = 0;
    bool looking_ = false, stopped_ = false;
    std::shared_ptr<int> alive_ = std::make_shared<int>(0); ///< for callbacks that may come after us
};

} // namespace millrace
