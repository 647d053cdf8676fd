/// What the parts of PgReadModels share: pg_read_models.cpp (flows and the house), pg_run_models.cpp (runs), pg_run_logs.cpp (what
/// happened in them), pg_told.cpp (what happened beside them) and pg_doctor.cpp (what is wrong, or soon will be).
#pragma once

#include "scheduler/documents.hpp"
#include "scheduler/store/store.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace millrace {

[[nodiscard]] inline Json page(Json items, Json next) { return {{"items", std::move(items)}, {"next", std::move(next)}}; }
/// The number that `after` is, where it was the `next` of a page. Throws Refusal{Invalid}.
[[nodiscard]] std::int64_t number_from(const std::string& after, std::int64_t otherwise);
[[nodiscard]] inline Json time_or_null(const pqxx::field& f) { return instant_json(instant_from(f)); }

[[nodiscard]] const TaskPlan& task_of(const FlowPlan& plan, int number);
/// Nothing for no name. Throws Refusal{NotFound}.
[[nodiscard]] std::optional<int> task_asked_for(const FlowPlan& plan, const std::string& name);

/// What of a flow, or of all (""), is not as it should be, by flow: each expectation once, however many runs break it.
[[nodiscard]] std::map<std::string, Json> attention_by_flow(pqxx::nontransaction& w, const std::string& flow);

/// Events of no run in the last seven days, newest first, 50 at most: at most five of one kind of one flow.
[[nodiscard]] Json told_lately(pqxx::nontransaction& w, Instant now);
/// Those of one flow, 50 at most.
[[nodiscard]] Json told_of_flow(pqxx::nontransaction& w, const std::string& flow, Instant now);

[[nodiscard]] std::vector<Statement> run_statements();
[[nodiscard]] std::vector<Statement> doctor_statements();
[[nodiscard]] std::vector<Statement> log_statements();
[[nodiscard]] std::vector<Statement> told_statements();

} // namespace millrace
