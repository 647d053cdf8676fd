/// What a host is told for one attempt, from the plan, the run and what its parents made.
#pragma once

#include "flows/run_plan.hpp"
#include "scheduler/ports.hpp"
#include "scheduler/store/rows.hpp"

#include <string>

namespace millrace {

[[nodiscard]] RunContext run_context(const RunRow& row, const FlowPlan& flow);

/// Folder of a task run's datasets; all its attempts share it.
[[nodiscard]] std::string staging_folder(const std::string& staging, const RunRow& row, const std::string& task, const Json& item);
[[nodiscard]] std::string log_file(const std::string& staging, const RunRow& row, const std::string& task, const Json& item, int attempt);

/// Without `id`. Throws Error for a connection or a reference that cannot be resolved.
[[nodiscard]] AttemptOrder attempt_order(const RunRow& row, const RunPlan& plan, TaskKey key, const std::string& staging,
                                         Connections& connections);

enum class Question { When, Items };
[[nodiscard]] EvaluateOrder evaluate_order(const RunRow& row, const RunPlan& plan, int task, Question question);

/// When a `wait` ends. Throws Error for an `until` that is no instant.
[[nodiscard]] Instant wait_end(const RunRow& row, const RunPlan& plan, TaskKey key, Instant now);

} // namespace millrace
