#include "scheduler/host_pool.hpp"

#include "flows/error.hpp"

#include <boost/asio/post.hpp>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <cmath>
#include <csignal>

namespace millrace {
namespace {

constexpr const char* kind_names[] = {"extract", "sql", "run"};
constexpr int patience_for_starts = 5; ///< hosts that die at once, before attempts are told so without a try

} // namespace

HostPool::HostPool(boost::asio::io_context& io, Clock& clock, HostPoolConfig config) : io_(io), clock_(clock), config_(std::move(config)) {
    if (config_.warm) keep_warm();
}

HostPool::~HostPool() { close(); }

void HostPool::close() {
    closed_ = true;
    for (auto& host : hosts_)
        if (host.process) host.process->abandon();
}

HostPool::Kind HostPool::kind_of(const std::string& verb) {
    return verb == "extract" ? Kind::Extract : verb == "run" ? Kind::Run : Kind::Sql;
}

int HostPool::busy(Kind kind) const {
    int n = 0;
    for (const auto& [id, host] : attempts_)
        if (host->kind == kind) ++n;
    return n;
}

int HostPool::free_places(const std::string& verb) const {
    if (closed_) return 0;
    switch (kind_of(verb)) {
    case Kind::Extract: return config_.extract_attempts - busy(Kind::Extract);
    case Kind::Sql: return config_.sql_hosts - busy(Kind::Sql);
    case Kind::Run: return config_.run_attempts - busy(Kind::Run);
    }
    return 0;
}

void HostPool::later(std::function<void()> action) {
    boost::asio::post(io_, [alive = std::weak_ptr(alive_), action = std::move(action)] {
        if (!alive.expired()) action();
    });
}

HostPool::HostAt HostPool::spawn(Kind kind) {
    hosts_.push_front({kind, nullptr, {}, 0, 0, false, false, false, {}});
    const HostAt at = hosts_.begin();
    HostCommand command;
    command.arguments = {config_.program, "--kind", kind_names[static_cast<int>(kind)]};
    command.environment = config_.environment;
    command.lock = config_.lock;
    command.mark = mark_of(config_.lock);
    HostProcess::Events events;
    events.line = [this, at](const std::string& line) { heard(at, line); };
    events.ended = [this, at](const std::string& how) { host_ended(at, how); };
    try {
        at->process = HostProcess::start(io_, command, std::move(events));
    } catch (const std::exception& e) {
        later([this, at, message = std::string(e.what())] { host_ended(at, message); });
    }
    return at;
}

/// One that can take an order now: the extract host always, others when they work on nothing.
HostPool::HostAt HostPool::idle_host(Kind kind) {
    for (auto at = hosts_.begin(); at != hosts_.end(); ++at) {
        if (at->kind != kind || at->leaving || !at->ended.empty() || !at->process) continue;
        if (kind == Kind::Extract || at->orders.empty()) return at;
    }
    return hosts_.end();
}

/// One after the other: hosts that start at once share the processors, and who waits for the first waits for all. The first
/// is of the kind that answers questions, for a deploy may wait for it.
void HostPool::keep_warm() {
    if (!config_.warm || early_deaths_ > 0 || closed_) return;
    if (std::any_of(hosts_.begin(), hosts_.end(), [](const Host& h) { return !h.ready && h.ended.empty(); })) return;
    const auto have = [this](Kind kind) {
        return std::count_if(hosts_.begin(), hosts_.end(),
                             [&](const Host& h) { return h.kind == kind && !h.leaving && (kind != Kind::Run || h.orders.empty()); });
    };
    if (have(Kind::Sql) == 0)
        spawn(Kind::Sql);
    else if (have(Kind::Run) == 0)
        spawn(Kind::Run);
    else if (have(Kind::Extract) == 0)
        spawn(Kind::Extract);
    else if (have(Kind::Sql) < config_.sql_hosts)
        spawn(Kind::Sql);
}

void HostPool::start(AttemptOrder order) {
    const Kind kind = kind_of(order.verb);
    auto host = idle_host(kind);
    if (host == hosts_.end()) host = spawn(kind);
    ++host->served;
    order.shared_rates = desk_ != nullptr;
    if (config_.until) order.until = config_.until().count();
    host->orders.insert(order.id);
    attempts_.emplace(order.id, host);
    if (host->process) host->process->send(to_line("attempt", order));
}

/// The request first, so that a host may end its work in order; then the kill, which takes all that it started. A run host
/// gets no SIGTERM: it ends its command by itself, and no sooner than that itself.
void HostPool::cancel(OrderId id) {
    const auto at = attempts_.find(id);
    if (at == attempts_.end() || !stopping_.insert(id).second) return;
    const auto host = at->second;
    if (!host->process) return;
    host->process->send(Json({{"type", "cancel"}, {"id", id}}).dump() + "\n");
    const auto still = [this, id, alive = std::weak_ptr(alive_)](int signal) {
        return [this, id, alive, signal] {
            if (alive.expired()) return;
            const auto a = attempts_.find(id);
            if (a != attempts_.end() && a->second->process) a->second->process->signal(signal);
        };
    };
    if (host->kind == Kind::Sql) clock_.call_after(config_.grace / 5, still(SIGTERM));
    clock_.call_after(host->kind == Kind::Run ? config_.command_grace : config_.grace, still(SIGKILL));
}

void HostPool::kill_all() {
    for (auto& host : hosts_)
        if (host.process && !host.orders.empty()) host.process->signal(SIGKILL);
}

void HostPool::tell_lease() {
    if (!config_.until) return;
    const HostLease lease{config_.until().count()};
    for (auto& host : hosts_)
        if (host.process && !host.orders.empty()) host.process->send(to_line("lease", lease));
}

// ---- questions ------------------------------------------------------------------------------------------------------

OrderId HostPool::evaluate(EvaluateOrder order, std::function<void(EvaluateReply)> answer) {
    const OrderId id = order.id = --last_question_;
    Question q;
    q.timeout = order.timeout;
    q.line = to_line("evaluate", order);
    q.answer = [answer](Json reply) {
        auto rows = std::exchange(reply.at("rows").get_ref<Json::array_t&>(), {});
        auto said = reply.get<EvaluateReply>();
        said.rows = std::move(rows);
        return [answer, said = std::move(said)]() mutable { answer(std::move(said)); };
    };
    q.give_up = [answer, id](const OrderError& error) { answer({id, {}, 0, error}); };
    ask(id, std::move(q));
    return id;
}

void HostPool::infer(InferOrder order, std::function<void(InferReply)> answer) {
    const OrderId id = order.id = --last_question_;
    Question q;
    std::vector<std::string> names;
    for (const auto& task : order.tasks) names.push_back(task.name);
    q.line = to_line("infer", order);
    q.answer = [answer](const Json& reply) { return [answer, said = reply.get<InferReply>()] { answer(said); }; };
    q.give_up = [answer, id, names](const OrderError& error) {
        InferReply reply{id, {}};
        for (const auto& name : names) reply.tasks.push_back({name, {}, {}, false, error.message, {}, -1});
        answer(std::move(reply));
    };
    ask(id, std::move(q));
}

void HostPool::ask(OrderId id, Question question) {
    questions_.emplace(id, std::move(question));
    unasked_.push_back(id);
    later([this] { ask_next(); });
}

/// Questions are short: they go to an idle sql host, or wait for one that answers another, or go to one more host than attempts may
/// use. Without the waiting, each of many questions would start that host anew.
void HostPool::ask_next() {
    while (!unasked_.empty()) {
        auto host = idle_host(Kind::Sql);
        if (host == hosts_.end()) {
            const auto all = std::count_if(hosts_.begin(), hosts_.end(), [](const Host& h) { return h.kind == Kind::Sql && !h.leaving; });
            const auto answers = [](const Host& h) {
                return h.kind == Kind::Sql && !h.leaving && !h.orders.empty() && *h.orders.begin() < 0;
            };
            if (all > config_.sql_hosts || std::any_of(hosts_.begin(), hosts_.end(), answers)) return;
            host = spawn(Kind::Sql);
        }
        const OrderId id = unasked_.front();
        unasked_.pop_front();
        auto& question = questions_.at(id);
        ++question.tries;
        question.rows.clear();
        ++host->served;
        host->orders.insert(id);
        const auto limit = std::chrono::microseconds(std::llround(question.timeout * 1e6));
        question.timer = clock_.call_after(limit, [this, id, alive = std::weak_ptr(alive_)] {
            if (!alive.expired()) time_out(id);
        });
        if (host->process) host->process->send(question.line);
    }
}

void HostPool::time_out(OrderId question) {
    kill_who_answers(question);
    const auto q = settle(question);
    q.give_up({"timeout", fmt::format("timed out after {} s", q.timeout), "raise the task's `timeout` or give its query less to do", 0});
}

void HostPool::drop(OrderId question) {
    if (!questions_.contains(question)) return;
    kill_who_answers(question);
    std::erase(unasked_, question);
    (void)settle(question);
}

/// It is no question any more.
HostPool::Question HostPool::settle(OrderId question) {
    auto q = std::move(questions_.extract(question).mapped());
    clock_.cancel(q.timer);
    return q;
}

/// A query has no other end: what it computes may take for ever.
void HostPool::kill_who_answers(OrderId question) {
    for (auto& host : hosts_)
        if (host.orders.erase(question) > 0) {
            host.leaving = true;
            if (host.process) host.process->signal(SIGKILL);
        }
}

// ---- what hosts say -------------------------------------------------------------------------------------------------

void HostPool::heard(HostAt host, const std::string& line) {
    if (host->babbled) return;
    std::function<void()> action;
    try {
        action = understand(host, Json::parse(line));
    } catch (const Json::exception& e) {
        spdlog::error("host pid={} kind={} said what is no message, and is killed: {} ({})", host->process->pid(),
                      kind_names[static_cast<int>(host->kind)], line.substr(0, 200), e.what());
        host->babbled = true;
        return host->process->signal(SIGKILL);
    }
    if (action) action();
}

/// What to do about a message; nothing: it does not matter, or no longer. Whatever can be wrong with one throws a
/// Json::exception here, before anything is done.
std::function<void()> HostPool::understand(HostAt host, Json message) {
    const std::string type = message.at("type");
    if (type == "ready") return [this, host] { ready(host); };
    if (type == "permits" || type == "pause" || type == "quota") return understand_credential(host, type, message);
    const OrderId id = message.value("id", OrderId{0});
    if (!host->orders.contains(id)) return {}; // of an order that is settled
    if (type == "progress") return [this, progress = message.get<AttemptProgress>()] { listener_->attempt_progress(progress); };
    if (type == "event") return [this, event = message.get<AttemptEvent>()] { listener_->attempt_event(event); };
    if (type == "done" && id > 0) {
        return [this, host, id, done = message.get<AttemptDone>()]() mutable {
            if (done.outcome != "completed" && stopping_.contains(id)) done.outcome = "cancelled";
            finished(host, id);
            listener_->attempt_done(std::move(done));
            ask_next();
        };
    }
    if (type == "rows" && questions_.contains(id)) {
        auto& rows = message.at("rows").get_ref<Json::array_t&>();
        auto& all = questions_.at(id).rows;
        all.insert(all.end(), std::make_move_iterator(rows.begin()), std::make_move_iterator(rows.end()));
        if (message.value("more", false)) return {};
        rows = std::exchange(all, {});
    }
    if ((type == "rows" || type == "inferred") && questions_.contains(id)) {
        return [this, host, id, answer = questions_.at(id).answer(std::move(message))] {
            (void)settle(id);
            finished(host, id);
            answer();
            ask_next();
        };
    }
    return {};
}

std::function<void()> HostPool::understand_credential(HostAt host, const std::string& type, const Json& message) {
    if (desk_ == nullptr) return {};
    if (type == "pause") return [this, pause = message.get<CredentialPause>()] { desk_->pause(pause); };
    if (type == "quota") return [this, quota = message.get<CredentialQuota>()] { desk_->quota(quota); };
    return [this, request = message.get<PermitRequest>(), asker = std::weak_ptr(host->process)] {
        desk_->permits(request, [asker](const PermitGrant& grant) {
            if (const auto process = asker.lock()) process->send(to_line("permits", grant));
        });
    };
}

void HostPool::tell_pause(const CredentialPause& pause) {
    for (auto& host : hosts_)
        if (host.kind == Kind::Extract && host.process && host.ended.empty()) host.process->send(to_line("pause", pause));
}

void HostPool::ready(HostAt host) {
    host->ready = true;
    early_deaths_ = 0;
    if (!std::exchange(warming_, true)) later([this] { warming_ = false, keep_warm(); });
}

/// The host is free again, or has done enough.
void HostPool::finished(HostAt host, OrderId id) {
    host->orders.erase(id);
    attempts_.erase(id);
    stopping_.erase(id);
    const bool worn = host->kind == Kind::Run || (host->kind == Kind::Sql && host->served >= config_.orders_per_host);
    const auto sql = std::count_if(hosts_.begin(), hosts_.end(), [](const Host& h) { return h.kind == Kind::Sql && !h.leaving; });
    if (!worn && !(host->kind == Kind::Sql && sql > config_.sql_hosts)) return;
    host->leaving = true;
    if (host->process) {
        host->process->send("{\"type\":\"exit\"}\n");
        clock_.call_after(config_.grace, [alive = std::weak_ptr(host->process)] {
            if (const auto process = alive.lock()) process->signal(SIGKILL);
        });
    }
    later([this] { keep_warm(); });
}

void HostPool::crash(OrderId id, const std::string& message) {
    AttemptDone done;
    done.id = id;
    const bool asked = stopping_.erase(id) > 0;
    done.outcome = asked ? "cancelled" : "lost";
    done.error =
        asked ? OrderError{"cancelled", "stopped by a kill", {}, 0} : OrderError{"crashed", message, "the task's log may tell more", 0};
    listener_->attempt_done(std::move(done));
}

void HostPool::host_ended(HostAt host, const std::string& how) {
    host->ended = how;
    const bool early = !host->ready;
    const auto orders = std::exchange(host->orders, {});
    const std::string kind = kind_names[static_cast<int>(host->kind)];
    const int pid = host->process ? host->process->pid() : 0;
    const bool expected = host->leaving && orders.empty();
    if (early && !expected) ++early_deaths_;
    if (!expected) spdlog::warn("host kind={} pid={} ended: {}", kind, pid, how);
    for (const OrderId id : orders) attempts_.erase(id); // before the first is told: who hears of it counts free places
    hosts_.erase(host);
    const bool by_lease = how == "exit status " + std::to_string(exit_by_lease);
    const std::string message = by_lease ? "the lease of the daemon ran out: it was stopped, or its store was away for too long"
                                : early  ? "the host " + config_.program + " ended (" + how + ") before it was ready"
                                         : "its host process ended: " + how;
    for (const OrderId id : orders) {
        if (id > 0) {
            crash(id, message);
            continue;
        }
        const auto question = questions_.find(id);
        if (question == questions_.end()) continue;
        clock_.cancel(question->second.timer);
        if (question->second.tries < 2) {
            unasked_.push_back(id);
            continue;
        }
        settle(id).give_up({"crashed", message, {}, 0});
    }
    // A host that cannot start is not started again and again: the next order tries.
    if (early_deaths_ < patience_for_starts)
        clock_.call_after(std::chrono::milliseconds(early ? 200 : 0), [this, alive = std::weak_ptr(alive_)] {
            if (alive.expired()) return;
            if (early_deaths_ > 0) return ask_next();
            keep_warm();
            ask_next();
        });
    else
        later([this] { ask_next(); });
}

void HostPool::end_stopped() {
    constexpr int most = 3;
    for (auto& host : hosts_) {
        if (!host.process || !host.process->is_stopped()) {
            host.times_stopped = 0;
        } else if (++host.times_stopped == most) {
            spdlog::warn("host kind={} pid={} is killed: somebody stopped it and did not let it go on",
                         kind_names[static_cast<int>(host.kind)], host.process->pid());
            host.process->signal(SIGKILL);
        }
    }
}

Json HostPool::describe() const {
    Json out = Json::array();
    for (const auto& h : hosts_)
        out.push_back({{"kind", kind_names[static_cast<int>(h.kind)]},
                       {"pid", h.process ? h.process->pid() : 0},
                       {"orders", h.orders.size()},
                       {"ready", h.ready},
                       {"served", h.served}});
    return out;
}

} // namespace millrace
