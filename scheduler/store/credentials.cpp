// Credentials in the store: one row for each, which all nodes share. It holds no secret, only a hash that hosts made.
#include "scheduler/store/credentials.hpp"

#include "scheduler/store/array_text.hpp"
#include "scheduler/store/store.hpp"

namespace millrace {
namespace {

// The time of a claim belongs to the claimer alone, so that no two nodes ask at once; a pause comes before all that is claimed later.
// The server's clock counts: what comes back are spans.
constexpr const char* claim_permits = R"sql(
    insert into millrace.credential as c (name, connection, rate, next_at, used_at, window_at, window_count)
    values ($1, $2, $3, clock_timestamp() + make_interval(secs => $5), clock_timestamp(), clock_timestamp(), $4)
    on conflict (name) do update
       set connection = excluded.connection, rate = excluded.rate, used_at = clock_timestamp(),
           next_at = greatest(c.next_at, clock_timestamp(), case when $4::int > 0 then c.paused_until end) + make_interval(secs => $5),
           window_at = case when clock_timestamp() < c.window_at + interval '10 s' then c.window_at else clock_timestamp() end,
           window_count = case when clock_timestamp() < c.window_at + interval '10 s' then c.window_count + $4 else $4 end,
           last_count = case when clock_timestamp() < c.window_at + interval '10 s' then c.last_count
                             when clock_timestamp() < c.window_at + interval '20 s' then c.window_count else 0 end
    returning extract(epoch from next_at - clock_timestamp())::float8 - $5, coalesce(extract(epoch from paused_until - clock_timestamp())::float8, 0))sql";
constexpr const char* pause_credential = R"sql(
    insert into millrace.credential as c (name, connection, rate, next_at, used_at, window_at, window_count, paused_until)
    values ($1, $2, 0, clock_timestamp(), clock_timestamp(), clock_timestamp(), 0, clock_timestamp() + make_interval(secs => $3))
    on conflict (name) do update set paused_until = greatest(c.paused_until, clock_timestamp() + make_interval(secs => $3)))sql";
constexpr const char* note_quota = R"sql(
    update millrace.credential
       set quota_limit = $2::bigint, quota_left = $3, quota_reset_at = case when $4::float8 > 0 then clock_timestamp() + make_interval(secs => $4::float8) end
     where name = $1)sql";
constexpr const char* credential_pauses = R"sql(
    select name, extract(epoch from paused_until - clock_timestamp())::float8 from millrace.credential
     where name = any($1::text[]) and paused_until > clock_timestamp())sql";
constexpr const char* forget_credentials = R"sql(
    delete from millrace.credential where used_at < clock_timestamp() - interval '30 days' and coalesce(paused_until, used_at) < clock_timestamp())sql";

/// A claim that a crash of the server loses is some milliseconds of a rate, which its restart takes anyway.
void need_no_flush(pqxx::work& w) { w.exec("set local synchronous_commit = off"); }

} // namespace

boost::asio::awaitable<PermitGrant> Store::claim_permits(PermitRequest request) {
    return database_.run([request = std::move(request)](pqxx::work& w) {
        need_no_flush(w);
        PermitGrant grant;
        grant.credential = request.credential;
        grant.count = request.rate > 0 ? std::max(request.count, 0) : 0;
        grant.spacing = request.rate > 0 ? 1 / request.rate : 0;
        const auto row = w.exec_prepared1("claim_permits", request.credential, request.connection, request.rate, grant.count,
                                          grant.count * grant.spacing);
        grant.wait = std::max(0.0, row[0].as<double>());
        grant.paused = std::max(0.0, row[1].as<double>());
        return grant;
    });
}

boost::asio::awaitable<void> Store::pause_credential(CredentialPause pause) {
    return database_.run([pause = std::move(pause)](pqxx::work& w) {
        w.exec_prepared("pause_credential", pause.credential, pause.connection, pause.seconds);
    });
}

boost::asio::awaitable<void> Store::note_quota(CredentialQuota quota) {
    return database_.run([quota = std::move(quota)](pqxx::work& w) {
        need_no_flush(w);
        w.exec_prepared("note_quota", quota.credential, quota.limit, quota.left, quota.reset);
    });
}

boost::asio::awaitable<std::map<std::string, double>> Store::credential_pauses(std::vector<std::string> credentials) {
    return database_.read([credentials = std::move(credentials)](pqxx::nontransaction& w) {
        ArrayText names;
        for (const auto& name : credentials) names.add_text(name);
        std::map<std::string, double> out;
        for (const auto& row : w.exec_prepared("credential_pauses", names.take())) out[row[0].c_str()] = row[1].as<double>();
        return out;
    });
}

const std::vector<Statement>& credential_statements() {
    static const std::vector<Statement> all{
        {"claim_permits", claim_permits},         {"pause_credential", pause_credential},     {"note_quota", note_quota},
        {"credential_pauses", credential_pauses}, {"forget_credentials", forget_credentials},
    };
    return all;
}

} // namespace millrace
