#pragma once
#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "clockify/clockify.hpp"
#include "faults.hpp"
#include "http.hpp"
#include "request_log.hpp"

namespace millrace::sandbox {

struct SandboxSettings {
    ClockifySettings clockify;
    std::uint64_t seed = 1;
    std::uint64_t rate = 50; ///< requests a second of one key; 0: no limit
    std::string retry_after; ///< header of a 429 of the rate limit: seconds or `date`; empty: none, as seen so far
    std::chrono::milliseconds latency{0};
    std::vector<Fault> faults;
};

/// All simulators behind one port, the rate limit and the faults in front of them, and the control paths under
/// /_sandbox/. Used by one thread.
class Sandbox {
public:
    explicit Sandbox(SandboxSettings settings);

    struct Answer {
        Response response;
        Delivery delivery;
    };
    Answer handle(const Request& request);
    [[nodiscard]] Clockify& clockify() { return *clockify_; }

private:
    Answer serve(const Request& request, LogLine& line);
    Response control(const Request& request);
    Response figures(const Request& request);
    Response expected(const Request& request);
    Response log(const Request& request);
    Response change(const Request& request);
    Response set_faults(const Request& request);
    Response reset();
    Response settings(const Request& request);
    bool over_rate(const std::string& key);
    Request shifted(const Request& request, const std::vector<Fault>& faults, std::uint64_t page);
    void move_entries(const Request& request, const std::vector<Fault>& faults);
    Workspace& workspace_named(const std::string& id);

    SandboxSettings settings_;
    std::unique_ptr<Clockify> clockify_;
    Faults faults_;
    RequestLog log_;
    struct Window {
        std::int64_t second = 0;
        std::uint64_t requests = 0;
    };
    std::map<std::string, Window> windows_;
    std::map<std::string, std::uint64_t> last_full_; ///< of a walk that a fault makes endless: its last full page
};

} // namespace millrace::sandbox
