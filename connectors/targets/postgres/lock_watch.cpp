#include "connectors/targets/postgres/lock_watch.hpp"

#include <fmt/format.h>

namespace millrace::postgres {
namespace {

/// The first of those that the session waits for, and how many they are; of a stranger's session the connection's user may see no
/// more than its number.
constexpr const char* find_holder =
    "SELECT coalesce((SELECT n.nspname || '.' || c.relname FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON "
    "n.oid = c.relnamespace WHERE l.pid = $1 AND NOT l.granted LIMIT 1), ''), a.pid, concat(', ' || nullif(a.application_name, ''), ', ' "
    "|| a.state || to_char(a.state_change AT TIME ZONE 'UTC', '\" since \"HH24:MI:SS\" UTC\"')), count(*) OVER () "
    "FROM unnest(pg_blocking_pids($1)) b JOIN pg_stat_activity a ON a.pid = b ORDER BY a.xact_start LIMIT 1";

} // namespace

LockWatch::LockWatch(Session& session, std::string url, std::string tables, const LoadMonitor& monitor)
    : session_(session), url_(std::move(url)), tables_(std::move(tables)), monitor_(monitor) {
    session_.while_waiting([this] { look(); });
}

LockWatch::~LockWatch() { session_.while_waiting(nullptr); }

/// Over a connection of its own, since that of the load waits; a server that gives none leaves the wait untold.
void LockWatch::look() {
    try {
        const Rows found = Session(url_).run(find_holder, {std::to_string(session_.backend())});
        holder_.clear();
        if (found.empty()) return;
        pid_ = found.text(0, 1);
        holder_ = "held by pid " + pid_ + found.text(0, 2);
        if (const std::int64_t others = found.integer(0, 3) - 1; others > 0)
            holder_ += fmt::format(", and {} other{}", others, others == 1 ? "" : "s");
        const std::string relation = found.text(0, 0);
        const bool ours = relation.empty() || relation.find("._millrace_") != std::string::npos; // a row of it stands for a table
        if (monitor_.progress) monitor_.progress(fmt::format("waiting for a lock on {} ({})", ours ? tables_ : relation, holder_), 0, 0);
    } catch (const Error&) {
        // the load itself will say what is wrong with the server
    }
}

Error LockWatch::explained(const SqlError& e) const {
    if (holder_.empty()) return e;
    return Error(e.error_class, fmt::format("{} ({} {})", e.what(), tables_, holder_),
                 fmt::format("end that session's transaction, or the session: SELECT pg_terminate_backend({})", pid_));
}

} // namespace millrace::postgres
