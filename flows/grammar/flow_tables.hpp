/// The grammar of flow files (section "the flow language" of the reference), as tables.
#pragma once

#include "flows/grammar/field.hpp"
#include "flows/plan.hpp"

namespace millrace {

extern const Table flow_table, schedule_table, dst_table, trigger_table, interval_table, param_table, retry_table, expect_table,
    expected_rows_table, notify_table, defaults_table, task_table, dataset_table, check_table, rejects_table, raw_table, for_each_table,
    delete_table, wait_table;

/// A verb and its own keys; a task also takes those of `task_table`, and of `dataset_table` where it makes a dataset.
struct VerbRow {
    Verb verb;
    const Table* table;
    bool makes_dataset;
    bool later; ///< the whole verb
};
extern const std::span<const VerbRow> verb_table;

} // namespace millrace
