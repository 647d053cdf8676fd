/// The `checks` of a dataset that is being written: queries over `this` whose rows break a rule.
#pragma once

#include "tasks/dataset.hpp"

namespace millrace {

/// Warns of the rows of a check of severity warn. The first other one with rows ends it: throws FailedWithRejects. Rows of both are
/// kept beside those that the contract kept out, ten thousand of each check. `manifest` is of the rows, which are written already.
void run_checks(duckdb::Connection& db, const DatasetRequest& request, Manifest& manifest, AttemptSession& session);

} // namespace millrace
