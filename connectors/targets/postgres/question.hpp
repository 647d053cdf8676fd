/// A query of a `wait` on PostgreSQL: its `$name` become places of libpq, and its first value an answer.
#pragma once

#include "connectors/targets/postgres/session.hpp"
#include "connectors/targets/target.hpp"

#include <string>
#include <utility>
#include <vector>

namespace millrace::postgres {

/// A query with `$1` for `$name`, and where its parts come from.
struct PlacedQuery {
    std::string sql;
    Params params;
    std::vector<std::pair<std::size_t, std::size_t>> parts; ///< bytes where a part begins, here and in the text that was written

    /// The byte of the text that was written.
    [[nodiscard]] std::size_t written_at(std::size_t here) const;
};

/// Texts are of the type that their place wants, as a text in quotes is; other values are of their own. Throws Error{Permanent}
/// for a name that has no value.
[[nodiscard]] PlacedQuery placed(const Question& question);

/// In a transaction that only reads, of which one row comes. Throws QuestionRefused and whatever Session does.
[[nodiscard]] Answer answer_of(Session& session, const Question& question);

} // namespace millrace::postgres
