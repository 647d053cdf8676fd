/// Mistakes in files, as values: all of them at once, each with its place, its reason and what to write instead.
///
///     flows/hours.yaml:14:5: error: 'exract' is no key of a task
///        14 |     exract: clockify.projects
///           |     ^~~~~~
///           = did you mean 'extract'?
#pragma once

#include "flows/json.hpp"
#include "flows/source_text.hpp"

#include <string>
#include <vector>

namespace millrace {

enum class Severity { Error, Warning };

/// `line` and `column` are 1-based and count characters, `end` is the column after the last one; line 0: the whole file.
struct Diagnostic {
    std::string file;
    int line = 0;
    int column = 0; ///< 0: the line as a whole
    int end = 0;
    Severity severity = Severity::Error;
    std::string message;     ///< a sentence without a full stop
    std::string hint;        ///< what to do; may be empty
    std::string source_line; ///< as in the file; of a long one the part around the column; may be empty
    int skipped = 0;         ///< characters of the line before that part
};

/// `{file, line, column, end, severity, message, hint}`; `flows validate --json` prints it without `end`.
void to_json(Json& j, const Diagnostic& d);
/// What such a document says; a member that is not there is left as it is.
void from_json(const Json& j, Diagnostic& d);

/// The form for people, as above, with an end of line.
[[nodiscard]] std::string to_text(const Diagnostic& d);
/// The form for logs: "flows/hours.yaml:14:5: error: 'exract' is no key of a task; did you mean 'extract'?"
[[nodiscard]] std::string to_line(const Diagnostic& d);

[[nodiscard]] bool has_errors(const std::vector<Diagnostic>& diagnostics);

/// Collects the mistakes of one file. The file's text must outlive it.
class Diagnostics {
public:
    explicit Diagnostics(const SourceText& source) : source_(source) {}

    void error(Mark mark, const std::string& message, const std::string& hint = {}) { add(Severity::Error, mark, message, hint); }
    /// "what is wrong; what to do", as parsers throw it.
    void error_of(Mark mark, const std::string& sentence);
    void warning(Mark mark, const std::string& message, const std::string& hint = {}) { add(Severity::Warning, mark, message, hint); }

    [[nodiscard]] const SourceText& source() const { return source_; }
    [[nodiscard]] bool has_errors() const { return millrace::has_errors(found_); }
    [[nodiscard]] std::size_t size() const { return found_.size(); }
    /// Enough for one reading: more are counted, not kept, and whoever searches for them may stop.
    [[nodiscard]] bool full() const { return found_.size() >= most; }
    /// In the order of the file, each once; a last one says when there were more.
    [[nodiscard]] std::vector<Diagnostic> sorted() const;

private:
    static constexpr std::size_t most = 300;

    void add(Severity severity, Mark mark, const std::string& message, const std::string& hint);
    [[nodiscard]] int characters_before(int line, std::size_t byte);
    void quote_line(Diagnostic& d, std::string_view line, std::size_t at) const;

    const SourceText& source_;
    std::vector<Diagnostic> found_;
    std::size_t dropped_ = 0; ///< beyond `most`

    /// How far the characters of a line were counted: many mistakes in one long line must not cost a walk each.
    struct {
        int line = 0;
        std::size_t byte = 0;
        int characters = 0;
    } counted_;
};

} // namespace millrace
