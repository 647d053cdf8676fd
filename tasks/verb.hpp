/// The interface of a verb: what the host asks of it, and what it may ask of the host.
///
/// A verb is one function in one file, named in verbs.cpp. It blocks; it writes only below `order.staging` and into its
/// target; it throws millrace::Error for what went wrong (the host turns any exception into AttemptDone{failed}).
#pragma once

#include "connectors/duckdb/database.hpp"
#include "connectors/http/governor.hpp"
#include "flows/error.hpp"
#include "flows/host_message.hpp"

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

namespace millrace {

/// The running attempt as its verb sees it. Every member may be called from any thread of the verb.
class AttemptSession {
public:
    virtual ~AttemptSession() = default;

    /// One line of the attempt's log; level: debug | info | warning | error | out | err.
    virtual void log(std::string_view level, std::string_view text) = 0;
    /// Lines that came at the same time: what a command writes may be a flood.
    virtual void log(std::string_view level, const std::vector<std::string_view>& lines) {
        for (const auto line : lines) log(level, line);
    }
    /// Totals so far. Sent at most ten times a second, whatever the caller does.
    virtual void progress(const AttemptProgress& totals) = 0;
    /// A fact that outlives the log.
    virtual void event(std::string_view kind, std::string_view message, const Json& details = Json::object()) = 0;

    [[nodiscard]] virtual bool cancelled() const = 0;
    /// Throws Error{Cancelled} when the attempt is cancelled.
    void check_cancelled() const {
        if (cancelled()) throw Error(ErrorClass::Cancelled, "the attempt was cancelled");
    }
    /// Runs `action` when the attempt is cancelled (at once if it already is), on another thread, until the returned
    /// handle is gone: after its destructor the action neither runs nor will run.
    [[nodiscard]] virtual std::shared_ptr<void> on_cancel(std::function<void()> action) = 0;

    /// The host's DuckDB, open and caged to the run's staging folder and the inputs of the order. Kept between attempts of one run.
    [[nodiscard]] virtual duckdb::Database& database() = 0;
    /// Rates and pauses of credentials, shared by all attempts of the host.
    [[nodiscard]] virtual Governors& governors() = 0;
};

using VerbFunction = AttemptDone (*)(const AttemptOrder& order, AttemptSession& session);

AttemptDone run_extract(const AttemptOrder& order, AttemptSession& session);
AttemptDone run_transform(const AttemptOrder& order, AttemptSession& session);
AttemptDone run_load(const AttemptOrder& order, AttemptSession& session);
AttemptDone run_command(const AttemptOrder& order, AttemptSession& session);
AttemptDone run_wait(const AttemptOrder& order, AttemptSession& session);

/// Of the order, by its name. Throws Error{Permanent} where it has none.
[[nodiscard]] const Json& connection_of(const AttemptOrder& order, const std::string& name);

/// The verb of that name, or null.
[[nodiscard]] VerbFunction find_verb(std::string_view name);

} // namespace millrace
