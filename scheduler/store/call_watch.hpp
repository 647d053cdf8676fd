/// Cuts off calls to the store that take too long. A server that is stopped, or behind a network that died, would hold the
/// calling thread for ever: libpq waits without limit, and `statement_timeout` needs a server that runs. The call then fails
/// like one whose connection broke.
#pragma once

#include <chrono>
#include <condition_variable>
#include <list>
#include <mutex>
#include <thread>

namespace millrace {

class CallWatch {
    struct Entry {
        int socket;
        std::chrono::steady_clock::time_point since;
    };

public:
    explicit CallWatch(std::chrono::milliseconds most);
    ~CallWatch();
    CallWatch(const CallWatch&) = delete;
    CallWatch& operator=(const CallWatch&) = delete;

    /// Watched as long as it lives; the connection must outlive it.
    class Call {
    public:
        Call(CallWatch& watch, int socket);
        ~Call();
        Call(const Call&) = delete;
        Call& operator=(const Call&) = delete;

    private:
        CallWatch& watch_;
        std::list<Entry>::iterator entry_;
    };

    /// From now on `most` is less: the process ends and waits for nobody. Where one call took all of it, the later ones get half a
    /// second each: several in a row must not add up to more than a service manager waits.
    void hurry(std::chrono::milliseconds most);

private:
    void work();

    std::mutex mutex_;
    std::condition_variable changed_;
    std::list<Entry> calls_;         ///< guarded by mutex_
    std::chrono::milliseconds most_; ///< guarded by mutex_
    bool hurries_ = false;           ///< guarded by mutex_
    bool over_ = false;              ///< guarded by mutex_
    std::thread thread_;             ///< last: it uses all of the above
};

} // namespace millrace
