/// The options of a load: its tables with their modes and keys, what it deletes, and the columns that it names.
#pragma once

#include "flows/compiler/draft.hpp"
#include "flows/grammar/form.hpp"

namespace millrace {

/// Fills the task's references, SQL, templates and named columns. `verb_table` is the grammar of a load.
[[nodiscard]] LoadOptions parse_load(const Form& form, const Table& verb_table, DraftTask& task, Diagnostics& diagnostics);

} // namespace millrace
