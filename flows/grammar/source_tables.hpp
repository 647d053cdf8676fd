/// The grammar of source specs (connectors/sources/*.yaml) and of millrace.yaml, as tables.
#pragma once

#include "flows/grammar/field.hpp"

namespace millrace {

extern const Table source_table, source_field_table, auth_table, rate_table, error_rule_table, source_check_table, resource_table,
    paging_table, window_table, resource_param_table;
extern const Table project_table, retention_table;

} // namespace millrace
