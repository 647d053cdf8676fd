/// wait: for the answer of a query. One look; the daemon orders the next one.
#include "connectors/targets/target.hpp"
#include "flows/substitute.hpp"
#include "tasks/sql_place.hpp"
#include "tasks/sql_scope.hpp"
#include "tasks/verb.hpp"

#include <fmt/format.h>

namespace millrace {
namespace {

std::string connection_name(const WaitOptions& options, const AttemptOrder& order) {
    const Json name = substitute_text(options.in, Scope(order.context));
    if (name.is_string()) return name;
    throw Error(ErrorClass::Permanent, "'" + options.in + "' does not name a connection");
}

Error with_place(const QuestionRefused& e, const std::string& sql, const TaskOrigin& origin) {
    if (!e.offset) return e;
    return {e.error_class, fmt::format("{} ({})", e.what(), place_in_sql(sql, *e.offset, origin)), e.remedy};
}

} // namespace

AttemptDone run_wait(const AttemptOrder& order, AttemptSession& session) {
    const auto options = order.options.get<WaitOptions>();
    const auto name = connection_name(options, order);
    const auto asker = fmt::format("millrace run {} of {}", order.context.run_id, order.context.flow);
    LoadMonitor monitor;
    monitor.on_cancel = [&](std::function<void()> action) { return session.on_cancel(std::move(action)); };
    monitor.cancelled = [&] { return session.cancelled(); };
    const std::unique_ptr<Target> target = open_target(name, connection_of(order, name));
    AttemptDone done;
    try {
        const Answer answer = target->ask({options.sql, query_values(order.context), asker}, monitor);
        done.outcome = answer.holds ? "completed" : "not_yet";
        if (answer.holds)
            session.log("info", "the query answers " + answer.told); // but nothing for each of many polls
        else
            done.answer = answer.told;
        return done;
    } catch (const QuestionRefused& e) {
        throw with_place(e, options.sql, order.origin);
    }
}

} // namespace millrace
