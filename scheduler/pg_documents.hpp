/// What the two halves of PgReadModels share: pg_read_models.cpp (flows and the house) and pg_run_models.cpp (runs).
#pragma once

#include "scheduler/documents.hpp"
#include "scheduler/store/store.hpp"

#include <vector>

namespace millrace {

[[nodiscard]] inline Json page(Json items, Json next) { return {{"items", std::move(items)}, {"next", std::move(next)}}; }
[[nodiscard]] inline Json time_or_null(const pqxx::field& f) { return instant_json(instant_from(f)); }

[[nodiscard]] std::vector<Statement> run_statements();

} // namespace millrace
