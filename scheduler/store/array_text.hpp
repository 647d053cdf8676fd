/// PostgreSQL's array literals, `{1,NULL,"a \"b\""}`: how the journal hands thousands of rows over in one statement.
/// The one boundary where text is made fit for PostgreSQL: no NUL, valid UTF-8.
#pragma once

#include "flows/time.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace millrace {

/// `text` without NUL, with U+FFFD for every byte that is not UTF-8.
[[nodiscard]] std::string fit_text(std::string_view text);
/// JSON text that jsonb takes: `\u0000` becomes `�`.
[[nodiscard]] std::string fit_json(std::string_view json);
/// "2026-11-20 06:00:00.000001+00", fast.
[[nodiscard]] std::string timestamp_text(Instant t);

class ArrayText {
public:
    void add(std::int64_t number);
    /// A word of our own that needs no quotes: a state's name.
    void add_word(std::string_view word);
    void add_null();
    void add_text(std::string_view text);
    void add_json(std::string_view json); ///< empty: null
    void add_instant(std::optional<Instant> t);
    /// The literal; the array is empty afterwards.
    [[nodiscard]] std::string take();

private:
    void separate();
    void quote(std::string_view text);
    std::string text_ = "{";
    Instant last_instant_{};
    std::string last_text_;
};

} // namespace millrace
