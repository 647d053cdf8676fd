/// What a load waits for: a statement of its session that stands still behind a lock of another one.
#pragma once

#include "connectors/targets/postgres/session.hpp"
#include "connectors/targets/target.hpp"

#include <string>

namespace millrace::postgres {

class LockWatch {
public:
    /// `tables`: the load's, as people name them. `session` and `monitor` must outlive the watch, which ends with its scope.
    LockWatch(Session& session, std::string url, std::string tables, const LoadMonitor& monitor);
    LockWatch(const LockWatch&) = delete;
    LockWatch& operator=(const LockWatch&) = delete;
    ~LockWatch();

    /// A lock that was not had in time, with who held it when that was last asked.
    [[nodiscard]] Error explained(const SqlError& e) const;

private:
    void look();

    Session& session_;
    std::string url_;
    std::string tables_;
    const LoadMonitor& monitor_;
    std::string holder_; ///< "held by pid 123, psql, idle in transaction since 21:50:12 UTC"; empty: nobody was found
    std::string pid_;    ///< its, as text
};

} // namespace millrace::postgres
