/// The row of a new run, the same for a person's trigger and a schedule's. Pure.
#pragma once

#include "flows/interval.hpp"
#include "scheduler/store/store.hpp"

namespace millrace {

/// The interval that a run of `flow` is about: as given, else by its spec at `at`; nothing for a flow without one.
/// Throws Refusal{Invalid}.
[[nodiscard]] std::optional<Interval> run_interval(const FlowPlan& flow, const std::optional<std::string>& start,
                                                   const std::optional<std::string>& end, Instant at);

/// The interval of whole steps around one that somebody gave and that cuts a step of the flow's `every`, as `--from` and `--to`;
/// empty: its steps are whole.
[[nodiscard]] std::string whole_steps_of(const FlowPlan& flow, const Interval& given);

/// The parts that a run is cut into, by its flow or as a backfill, oldest first; empty: it is not cut.
[[nodiscard]] std::vector<Interval> parts_of(const FlowPlan& flow, const RunRow& row);

/// Parts of a run's interval, at most 10,000: each is a run. Throws Refusal{Invalid}, with `remedy`, where they are more.
[[nodiscard]] std::vector<Interval> cut(const Interval& whole, const Span& chunk, const std::string& zone, const std::string& remedy);
/// The same of a run that its flow cuts.
void check_chunks(const FlowPlan& flow, const RunRow& row);

/// A load of it takes the place of rows that are there: a part of a step would replace the sum of the whole.
[[nodiscard]] bool replaces_rows(const FlowPlan& flow);
[[nodiscard]] bool appends(const FlowPlan& flow);

/// The parameters of a run that an author's file starts (a schedule's), `${}` in them and in defaults evaluated as of `at`.
[[nodiscard]] Json params_at(const RunRow& row, const FlowPlan& flow, const Json& written, Instant at);

[[nodiscard]] RunRow new_run_row(const DeployedFlow& flow, std::int64_t id, std::string staging_id, Json params,
                                 std::optional<Interval> interval, Instant now);

} // namespace millrace
