/// Who may do what: keys, peer credentials, and the checks that keep a browser's other pages out while no key exists.
#pragma once

#include "web/http.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// The API keys that exist. Asked for every request on the loop's thread, so answers come from memory.
class KeyRing {
public:
    virtual ~KeyRing() = default;
    /// While it is, a loopback listener trusts whoever reaches it, within check_browser().
    [[nodiscard]] virtual bool is_empty() const = 0;
    /// The caller that a presented key stands for; nothing for a wrong or revoked one. Takes the same time for both.
    [[nodiscard]] virtual std::optional<Caller> find(std::string_view key) const = 0;
};

/// No key has been created.
class NoKeys final : public KeyRing {
public:
    [[nodiscard]] bool is_empty() const override { return true; }
    [[nodiscard]] std::optional<Caller> find(std::string_view) const override { return std::nullopt; }
};

/// The other end of a connection.
struct Peer {
    enum class Kind { Tcp, Unix } kind = Kind::Tcp;
    std::string address;   ///< "127.0.0.1", or "unix"
    std::uint32_t uid = 0; ///< of Kind::Unix
};

struct AccessRules {
    std::vector<std::string> hosts; ///< names beside localhost, 127.0.0.1 and [::1] under which the daemon may be reached
};

/// The caller of a request: by its key where it shows one, else by its peer. Throws Problem 401 for a wrong key.
[[nodiscard]] Caller identify(const Request& request, const Peer& peer, const KeyRing& keys);

/// Throws Problem 401 or 403 where the caller may do less than what is needed.
void require_access(const Request& request, const Peer& peer, Access needed);

/// What a page of another site could forge against a listener without keys: the Host (DNS rebinding) and the Origin.
/// Throws Problem 421 or 403.
void check_browser(const Request& request, const AccessRules& rules);

/// A body is JSON and says so. Where a page of another site could send a form, whatever changes something is JSON, with a
/// body or without. Throws Problem 415.
void check_content_type(const Request& request, bool browsers_reach_us);

} // namespace millrace
