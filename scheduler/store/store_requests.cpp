// Requests in the store: what somebody asks of a live run through another node than the one that drives it.
#include "scheduler/store/store.hpp"

#include "scheduler/store/array_text.hpp"
#include "scheduler/store/store_statements.hpp"

namespace millrace {

constexpr const char* put_request = R"sql(
    insert into millrace.request (run_id, what, task, comment, by, asked_at) values ($1, $2, $3, $4, $5, $6) returning id)sql";

boost::asio::awaitable<std::int64_t> Store::put_request(RunRequest request, Instant now) {
    return database_.run([request, now](pqxx::work& w) {
        return w
            .exec_prepared1("put_request", request.run_id, request.what, fit_text(request.task), fit_text(request.comment),
                            fit_text(request.by), timestamp_text(now))[0]
            .as<std::int64_t>();
    });
}

constexpr const char* requests_to = R"sql(
    select q.id, q.run_id, q.what, q.task, q.comment, q.by from millrace.request q join millrace.run r on r.id = q.run_id
     where q.answered_at is null and r.epoch = $1::uuid and r.finished_at is null and r.id >= $2 order by q.id)sql";

boost::asio::awaitable<std::vector<std::pair<std::int64_t, RunRequest>>> Store::requests_to(std::string epoch) {
    return database_.read([epoch, from = database_.live_from()](pqxx::nontransaction& w) {
        std::vector<std::pair<std::int64_t, RunRequest>> out;
        for (const auto& row : w.exec_prepared("requests_to", epoch, from))
            out.emplace_back(row[0].as<std::int64_t>(),
                             RunRequest{row[1].as<std::int64_t>(), row[2].c_str(), row[3].c_str(), row[4].c_str(), row[5].c_str()});
        return out;
    });
}

constexpr const char* answer_request = R"sql(
    update millrace.request set answered_at = clock_timestamp(), refusal = $2, remedy = $3 where id = $1)sql";

boost::asio::awaitable<void> Store::answer_request(std::int64_t id, Answer answer) {
    return database_.run([id, answer](pqxx::work& w) { w.exec_prepared("answer_request", id, answer.refusal, answer.remedy); });
}

constexpr const char* answer_to = "delete from millrace.request where id = $1 and answered_at is not null returning refusal, remedy";

boost::asio::awaitable<std::optional<Store::Answer>> Store::answer_to(std::int64_t id) {
    return database_.run([id](pqxx::work& w) -> std::optional<Answer> {
        const auto rows = w.exec_prepared("answer_to", id);
        if (rows.empty()) return std::nullopt;
        return Answer{rows[0][0].c_str(), rows[0][1].c_str()};
    });
}

const std::vector<Statement>& store_request_statements() {
    static const std::vector<Statement> all{
        {"put_request", put_request},
        {"requests_to", requests_to},
        {"answer_request", answer_request},
        {"answer_to", answer_to},
    };
    return all;
}

} // namespace millrace
