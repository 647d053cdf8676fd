/// The contract of a dataset: `columns`, `checks`, `rejects`.
#pragma once

#include "flows/compiler/draft.hpp"
#include "flows/grammar/form.hpp"

namespace millrace {

/// Fills the task's contract, the places of its columns, and its SQL and references.
void parse_contract(const Form& form, DraftTask& task, Diagnostics& diagnostics);

} // namespace millrace
