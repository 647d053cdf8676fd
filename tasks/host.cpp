#include "tasks/host.hpp"

#include "flows/origin.hpp"
#include "flows/process_tree.hpp"
#include "flows/version.hpp"
#include "flows/zone.hpp"
#include "tasks/evaluate.hpp"
#include "tasks/host_session.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <ctime>
#include <fstream>
#include <malloc.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace millrace {
namespace {

constexpr auto before_preparing = std::chrono::milliseconds(4); ///< without work, until the next run's DuckDB is opened
constexpr std::size_t longest_message = 256UL << 20;

/// This process has more memory than a small order needs: trimming, and ending a thread, lets the allocators give it back.
bool holds_much() {
    constexpr long much = 96L << 20;
    std::ifstream in("/proc/self/statm");
    long all = 0, resident = 0;
    return in >> all >> resident && resident * ::sysconf(_SC_PAGESIZE) > much;
}

/// Blocks the signal in this thread and those that it makes, so that only the reader sees it.
int sigterm_descriptor() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    return ::signalfd(-1, &set, SFD_CLOEXEC);
}

bool is_exit(const std::string& line) {
    if (line.find("\"exit\"") == std::string::npos) return false;
    const Json message = Json::parse(line, nullptr, false);
    const auto type = message.is_object() ? message.find("type") : message.end();
    return message.is_object() && type != message.end() && *type == "exit";
}

} // namespace

struct Host::Running {
    Cancellation cancellation;
};

/// Its command ends with it, descendants included. The attempt is told first: who sees the command die by our signal does not know why,
/// and would write a guess into the log. (The other kinds die with the daemon by its signal, and end nothing by themselves.)
void Host::end_without_daemon(int status) {
    is_over_ = true; // a daemon that was frozen would read that they were cancelled, which nobody asked for
    if (kind_ == HostKind::Run) cancel_all();
    kill_descendants(::getpid());
    ::_exit(status);
}

void Host::send(const std::string& line) {
    const std::scoped_lock lock(sending_);
    std::string_view rest = line;
    while (!rest.empty() && !is_over_) {
        const ssize_t n = ::send(channel_, rest.data(), rest.size(), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) end_without_daemon(1);
        rest.remove_prefix(static_cast<std::size_t>(n));
    }
}

void Host::ask(const PermitRequest& request) { send(to_line("permits", request)); }
void Host::tell(const CredentialPause& pause) { send(to_line("pause", pause)); }
void Host::tell(const CredentialQuota& quota) { send(to_line("quota", quota)); }

/// On a thread that has nothing to do, else on a new one. One idle thread is kept: DuckDB's allocator gives back what a thread
/// held when it ends, which costs a small order more than its work.
void Host::spawn(std::function<void()> work) {
    const std::scoped_lock lock(mutex_);
    ++orders_;
    waiting_.push_back(std::move(work));
    if (waiting_.size() <= idle_threads_) {
        work_came_.notify_one();
        return;
    }
    std::thread([this] { work_off(); }).detach();
}

void Host::work_off() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
        if (waiting_.empty()) {
            if (idle_threads_ > 0 || holds_much()) return;
            ++idle_threads_;
            const auto wanted = [this] { return !waiting_.empty() || closing_; };
            if (kind_ == HostKind::Sql && !work_came_.wait_for(lock, before_preparing, wanted)) prepare(lock);
            work_came_.wait(lock, wanted);
            --idle_threads_;
            if (closing_) return idle_.notify_all();
        }
        const std::function<void()> work = std::move(waiting_.front());
        waiting_.pop_front();
        lock.unlock();
        work();
        lock.lock();
        if (--orders_ == 0) idle_.notify_all();
    }
}

/// Opens DuckDB for the next run. The thread is not idle meanwhile: an order that comes takes another one.
void Host::prepare(std::unique_lock<std::mutex>& lock) {
    --idle_threads_;
    ++orders_;
    lock.unlock();
    try {
        database_.prepare();
    } catch (const Error&) {
        // The first order that needs DuckDB says why.
    }
    lock.lock();
    if (--orders_ == 0) idle_.notify_all();
    ++idle_threads_;
}

void Host::attempt(const AttemptOrder& order, Running& running) {
    std::unique_lock<std::mutex> alone(one_at_a_time_, std::defer_lock);
    if (kind_ != HostKind::Extract) alone.lock();
    HostSession session(order, running.cancellation, database_, governors_, [this](const std::string& line) { send(line); });
    AttemptDone done = run_verb(order, session);
    done.id = done.progress.id = order.id;
    if (done.outcome == "completed") done.progress.step.clear(); // the outcome tells it
    if (done.outcome != "completed" && (running.cancellation.cancelled() || (done.error && done.error->error_class == "cancelled")))
        done.outcome = "cancelled";
    if (done.error && done.outcome != "cancelled") {
        done.error->message = with_place(done.error->message, done.error->remedy, order.origin);
        session.log("error", done.error->message);
        if (!done.error->remedy.empty()) session.log("error", "remedy: " + done.error->remedy);
    }
    if (done.outcome != "not_yet") session.log_file().finish(); // else the attempt goes on with the next poll
    {
        const std::scoped_lock lock(mutex_);
        running_.erase(order.id);
    }
    send(to_line("done", done));
    session.log_file().compress();
}

void Host::start_attempt(const Json& message) {
    auto order = message.get<AttemptOrder>();
    until_ = order.until;
    const auto running = std::make_shared<Running>();
    {
        const std::scoped_lock lock(mutex_);
        running_.emplace(order.id, running);
    }
    spawn([this, order = std::move(order), running] {
        attempt(order, *running);
        if (holds_much()) ::malloc_trim(1 << 20); // small orders would only fault the pages in again
    });
}

void Host::start_evaluate(const Json& message) {
    spawn([this, order = message.get<EvaluateOrder>()] {
        EvaluateReply reply;
        reply.id = order.id;
        try {
            DatabaseNeeds needs;
            for (const auto& [task, manifest] : order.inputs) needs.folders.push_back(run_folder(manifest));
            reply = evaluate(order, *database_.get(needs));
        } catch (const std::exception& e) {
            reply.error = to_order_error(e);
        }
        send_rows(std::move(reply));
    });
}

void Host::send_rows(EvaluateReply reply) {
    constexpr std::size_t most = 500; ///< in one message
    const auto rows = std::exchange(reply.rows, {});
    for (std::size_t from = 0; from == 0 || from < rows.size(); from += most) {
        const auto to = std::min(from + most, rows.size());
        EvaluateReply part = reply;
        part.rows.assign(rows.begin() + static_cast<std::ptrdiff_t>(from), rows.begin() + static_cast<std::ptrdiff_t>(to));
        part.more = to < rows.size();
        send(to_line("rows", part));
    }
}

void Host::start_infer(const Json& message) {
    spawn([this, order = message.get<InferOrder>()] { send(to_line("inferred", infer(order))); });
}

void Host::cancel(OrderId id) {
    std::shared_ptr<Running> running;
    {
        const std::scoped_lock lock(mutex_);
        const auto found = running_.find(id);
        if (found != running_.end()) running = found->second;
    }
    if (running) running->cancellation.cancel();
}

void Host::cancel_all() {
    std::vector<OrderId> ids;
    {
        const std::scoped_lock lock(mutex_);
        for (const auto& [id, running] : running_) ids.push_back(id);
    }
    for (const OrderId id : ids) cancel(id);
}

void Host::receive(const std::string& line) {
    const Json message = Json::parse(line, nullptr, false);
    if (!message.is_object()) return;
    try {
        const std::string type = message.value("type", "");
        if (type == "attempt" || type == "evaluate") (void)refresh_zones(); // as the daemon goes by them
        if (type == "attempt")
            start_attempt(message);
        else if (type == "evaluate")
            start_evaluate(message);
        else if (type == "infer")
            start_infer(message);
        else if (type == "permits")
            governors_.granted(message.get<PermitGrant>());
        else if (type == "pause")
            governors_.paused(message.get<CredentialPause>());
        else if (type == "lease")
            until_ = message.get<HostLease>().until;
        else if (type == "cancel")
            cancel(message.value("id", OrderId{0}));
    } catch (const Json::exception& e) {
        refuse(message, e.what());
    }
}

/// An order that cannot be read is answered where it says which one it is; the others go on.
void Host::refuse(const Json& message, const std::string& why) {
    const auto id = message.find("id");
    if (id == message.end() || !id->is_number_integer()) return;
    const OrderError error{"permanent", "the host cannot read the order: " + why, "the daemon and its hosts must be of one version", 0};
    if (message["type"] == "attempt") {
        AttemptDone done;
        done.id = *id;
        done.outcome = "failed";
        done.error = error;
        send(to_line("done", done));
    }
    if (message["type"] == "evaluate") send(to_line("rows", EvaluateReply{*id, {}, 0, error}));
}

/// A warm host has a thread, with an allocator of its own, before the first order; the thread of an SQL host opens DuckDB.
void Host::warm_up() {
    spawn([] { const Json first = Json::parse("[1]"); });
}

/// Of the lease, where attempts run by it; -1: nothing ends.
int Host::milliseconds_left() {
    const std::scoped_lock lock(mutex_);
    if (until_ == 0 || running_.empty()) return -1;
    timespec t{};
    ::clock_gettime(CLOCK_BOOTTIME, &t);
    const std::int64_t left = until_ / 1000 - (t.tv_sec * 1000 + t.tv_nsec / 1000000);
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000));
}

void Host::wait_for_orders(int terminate) {
    std::string buffered;
    std::vector<char> block(1 << 16);
    for (;;) {
        pollfd sources[] = {{channel_, POLLIN, 0}, {terminate, POLLIN, 0}};
        const int ready = ::poll(sources, 2, milliseconds_left());
        if (ready == 0 && milliseconds_left() == 0) end_without_daemon(exit_by_lease);
        if (ready <= 0) continue;
        if ((sources[1].revents & POLLIN) != 0) {
            cancel_all();
            return;
        }
        const ssize_t n = ::recv(channel_, block.data(), block.size(), 0);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0 || buffered.size() > longest_message) end_without_daemon(0); // it is gone, or talks nonsense
        buffered.append(block.data(), static_cast<std::size_t>(n));
        std::size_t from = 0;
        for (std::size_t end; (end = buffered.find('\n', from)) != std::string::npos; from = end + 1) {
            const std::string line = buffered.substr(from, end - from);
            if (is_exit(line)) return;
            receive(line);
        }
        buffered.erase(0, from);
    }
}

void Host::run() {
    // The daemon's death is seen by the end of the channel: SIGKILL would leave nobody to end the command's descendants.
    if (kind_ == HostKind::Run) ::prctl(PR_SET_PDEATHSIG, 0);
    const int terminate = sigterm_descriptor(); // before any other thread
    send(to_line("ready", HostReady{static_cast<int>(::getpid()), version}));
    warm_up();
    wait_for_orders(terminate);
    std::unique_lock<std::mutex> lock(mutex_);
    idle_.wait(lock, [this] { return orders_ == 0; });
    closing_ = true;
    work_came_.notify_all();
    idle_.wait(lock, [this] { return idle_threads_ == 0; });
}

} // namespace millrace
