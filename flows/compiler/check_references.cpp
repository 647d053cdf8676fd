#include "flows/compiler/draft.hpp"
#include "flows/nearest.hpp"
#include "flows/sql_scan.hpp"
#include "flows/substitute.hpp"
#include "flows/zone.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

namespace millrace {
namespace {

/// Functions whose result is another one each time.
struct Impure {
    std::string_view name;
    bool is_function; ///< only a call counts
    std::string_view hint;
};
constexpr std::string_view clock_hint = "use $run_at, the run's recorded time: a re-run then gives the same rows";
constexpr std::string_view chance_hint = "a re-run would give other rows";
constexpr std::string_view run_id_hint = "the run's id is not available in SQL: `stamp: [run_id]` of a load writes it beside the rows";
constexpr std::array<Impure, 13> impure{{
    {"now", true, clock_hint},
    {"current_date", false, clock_hint},
    {"current_time", false, clock_hint},
    {"current_timestamp", false, clock_hint},
    {"localtimestamp", false, clock_hint},
    {"localtime", false, clock_hint},
    {"today", true, clock_hint},
    {"get_current_timestamp", true, clock_hint},
    {"get_current_time", true, clock_hint},
    {"transaction_timestamp", true, clock_hint},
    {"random", true, chance_hint},
    {"uuid", true, chance_hint},
    {"gen_random_uuid", true, chance_hint},
}};

class ReferenceCheck {
public:
    ReferenceCheck(Draft& draft, CompileScope& scope) : draft_(draft), scope_(scope) {
        for (const auto& param : draft.plan.params) names_.push_back(param.name);
        for (const char* name : {"run.id", "run.at"}) names_.emplace_back(name);
        if (draft.plan.interval) names_.insert(names_.end(), {"interval.start", "interval.end"});
        if (draft.plan.interval && !draft.plan.interval->chunk.is_zero()) names_.emplace_back("chunk.number");
        for (const auto& param : draft.plan.params) bindings_.push_back(param.name);
        bindings_.emplace_back("run_at");
        if (draft.plan.interval)
            bindings_.insert(bindings_.end(), {"interval_start", "interval_end", "interval_start_date", "interval_end_date"});
    }

    void check() {
        for (const auto& [text, usable] : draft_.param_defaults) {
            check_order_of_params(text, usable);
            refuse_lists(text, Lists::Alone);
            refuse_environment(text);
            check_template(text);
        }
        for (const auto& task : draft_.tasks) {
            if (scope_.diagnostics.full()) return;
            for (const auto& text : task.templates) {
                check_template(text);
                refuse_lists(text, task.plan.verb == Verb::Extract || task.plan.verb == Verb::Run ? Lists::Alone : Lists::Never);
                if (task.plan.verb == Verb::Approve || task.plan.verb == Verb::Wait) refuse_environment(text);
            }
            for (const auto& piece : task.sql) check_sql(piece);
            check_shell(task);
        }
        warn_of_unused_params();
    }

private:
    [[nodiscard]] Mark inside(const TemplateText& text, const Reference& r) const {
        return mark_inside(*text.node, r.offset, r.length, scope_.diagnostics.source());
    }

    /// A default may use the parameters above its own; what a schedule gives is known before any of them.
    void check_order_of_params(const TemplateText& text, std::size_t usable) {
        for (const auto& r : references_of(text))
            for (std::size_t i = usable; i < draft_.plan.params.size(); ++i)
                if (draft_.plan.params[i].name == r.name)
                    scope_.diagnostics.error(inside(text, r), fmt::format("'{}' has no value here yet", r.name),
                                             usable == 0 ? "a value for it may use ${run.at} or ${interval.start}"
                                                         : "a default may use the parameters above its own");
    }

    /// Variables are filled in for what a host does; parameters and questions are recorded with the run.
    void refuse_environment(const TemplateText& text) {
        for (const auto& r : references_of(text))
            if (r.name.starts_with("env."))
                scope_.diagnostics.error(inside(text, r), "an environment variable has no place here",
                                         "use it in `with` of an extract, or in `env` or the arguments of a command");
    }

    enum class Lists { Alone, Never };

    void refuse_lists(const TemplateText& text, Lists taken) {
        for (const auto& r : references_of(text)) {
            const auto* param = draft_.param(r.name);
            const bool alone = r.length == text.node->text.size();
            if (param == nullptr || param->type != "list" || !r.format.empty() || (taken == Lists::Alone && alone)) continue;
            scope_.diagnostics.error(
                inside(text, r), fmt::format("'{}' is a list, and a list cannot stand inside text", r.name),
                fmt::format("give the text a parameter of type text; ${{{}}} alone may be a value in `with`, or, as JSON, an argument or "
                            "variable of a command",
                            r.name));
        }
    }

    static std::vector<Reference> references_of(const TemplateText& text) {
        try {
            return references(text.node->text);
        } catch (const std::invalid_argument&) {
            return {}; // reported by check_template
        }
    }

    /// Templates of other tools: nobody fills them in. `find` gives the mark of a part of `written`.
    template <class MarkIn>
    void warn_of_braces(std::string_view written, const std::string& instead, MarkIn mark_in) {
        for (auto open = written.find("{{"); open != written.npos; open = written.find("{{", open + 2)) {
            const auto close = written.find("}}", open);
            if (close == written.npos) return;
            const auto name = written.find_first_not_of(" -", open + 2);
            const bool named = name < close && (written[name] == '_' || std::isalpha(static_cast<unsigned char>(written[name])) != 0);
            if (!named || (open > 0 && written[open - 1] == '$')) continue;
            scope_.diagnostics.warning(mark_in(open, close + 2 - open), "Jinja is not known here: this stays as it is written",
                                       "write " + instead);
        }
    }

    void check_template(const TemplateText& text) {
        warn_of_braces(text.node->text, "${name}, such as ${interval.start:%Y-%m-%d} or a parameter",
                       [&](auto at, auto length) { return mark_inside(*text.node, at, length, scope_.diagnostics.source()); });
        try {
            for (const auto& reference : references(text.node->text)) {
                if (scope_.diagnostics.full()) return;
                check_reference(text, reference);
            }
        } catch (const std::invalid_argument& e) {
            scope_.diagnostics.error_of(text.node->mark, e.what());
        }
    }

    void check_reference(const TemplateText& text, const Reference& r) {
        used_.insert(r.name);
        const auto known = std::find(names_.begin(), names_.end(), r.name) != names_.end();
        const bool item = r.name == "item" || r.name.starts_with("item.");
        if (!known && !(item && text.item) && !(r.name.starts_with("env.") && r.name.size() > 4)) return report_unknown(text, r, item);
        if (!r.format.empty()) check_format(text, r, item);
    }

    void report_unknown(const TemplateText& text, const Reference& r, bool item) {
        std::string message = fmt::format("there is no '{}' here", r.name), hint;
        if (item) {
            message = "there is no '" + r.name + "' without `for_each`";
            hint = "add for_each: TASK";
        } else if (r.name == "interval.start" || r.name == "interval.end") {
            message = "the flow has no interval";
            hint = "add interval: {every: 1d} to the flow, or use a parameter";
        } else if (r.name == "chunk.number") {
            message = "the flow has no chunks";
            hint = "add `chunk` to `interval:`";
        } else if (r.name.starts_with("secret.")) {
            message = "secrets stand in connections only, never in a flow";
            hint = "put it in a connection in millrace.yaml, or give a command its `env` with ${env.NAME}";
        } else if (r.name.starts_with("event.")) {
            message = "`event` is not available yet";
        } else if (r.name.empty()) {
            message = "'${}' names nothing";
            hint = fmt::format("there are {}", fmt::join(names_, ", "));
        } else {
            const auto dot = r.name.find('.');
            const bool of_params = r.name.starts_with("param.") || r.name.starts_with("params."); // as other tools call them
            const auto meant = our_word_for(r.name, names_);
            const auto near = meant.empty() ? nearest(of_params ? r.name.substr(dot + 1) : r.name, names_) : meant;
            hint = near.empty() ? fmt::format("there are {}", fmt::join(names_, ", ")) : "did you mean ${" + near + "}?";
        }
        scope_.diagnostics.error(inside(text, r), message, hint);
    }

    void check_format(const TemplateText& text, const Reference& r, bool item) {
        const auto* param = draft_.param(r.name);
        const bool time = item || r.name.starts_with("interval.") || r.name == "run.at" ||
                          (param != nullptr && (param->type == "date" || param->type == "timestamptz" || param->type == "text"));
        if (!time || r.name.starts_with("env."))
            return scope_.diagnostics.error(inside(text, r), fmt::format("'{}' is no time, and only a time can have a format", r.name),
                                            fmt::format("write ${{{}}}", r.name));
        if (r.format.find('%') == std::string::npos)
            return scope_.diagnostics.error(inside(text, r), fmt::format("'{}' is no time format", r.format), "%Y-%m-%d is one");
        try {
            (void)format_time(Instant{}, r.format, find_zone("UTC"));
        } catch (const std::invalid_argument& e) {
            scope_.diagnostics.error_of(inside(text, r), e.what());
        }
    }

    void check_sql(const SqlPiece& piece) {
        const auto tokens = scan_sql(piece.sql);
        if (piece.is_query()) check_query(piece, tokens);
        for (std::size_t i = 0; i < tokens.size(); ++i) {
            const auto& token = tokens[i];
            if (token.kind == SqlToken::Kind::Reference) {
                const auto& around = i > 0 ? tokens[i - 1] : token; // a string or quoted name comes before the references in it
                scope_.diagnostics.error(scope_.mark_in(piece, token.offset, token.length), "${} is not substituted in SQL",
                                         bound_hint(token.text, around.offset + around.length > token.offset && i > 0));
            } else if (token.kind == SqlToken::Kind::Parameter) {
                check_binding(piece, token);
            } else if (token.kind == SqlToken::Kind::String) {
                warn_of_braces(std::string_view(piece.sql).substr(token.offset, token.length),
                               fmt::format("${}, for example, outside of the quotes",
                                           draft_.plan.interval ? "interval_start_date" : bindings_.front()),
                               [&](auto at, auto length) { return scope_.mark_in(piece, token.offset + at, length); });
            } else if (piece.is_of_a_server()) {
                continue; // `?` is an operator of PostgreSQL, and what is waited for changes with the clock
            } else if (token.kind == SqlToken::Kind::Symbol && token.text == "?") {
                scope_.diagnostics.error(scope_.mark_in(piece, token.offset, 1), "values are bound by name, not by place",
                                         fmt::format("write ${}, for example", bindings_.front()));
            } else if (token.kind == SqlToken::Kind::Word) {
                lint(piece, tokens, i);
            }
        }
    }

    /// One text of SQL is one query, and a query writes nothing.
    void check_query(const SqlPiece& piece, const std::vector<SqlToken>& tokens) {
        const auto* beyond = beyond_one_query(tokens);
        if (beyond == nullptr) return;
        const auto mark = scope_.mark_in(piece, beyond->offset, beyond->length);
        if (beyond != tokens.data() && (beyond - 1)->text == ";")
            return scope_.diagnostics.error(mark, "a second statement begins here, and one text of SQL is one query",
                                            "give it a task of its own, or make both one query: with a as (select ...) select ... from a");
        scope_.diagnostics.error(mark, fmt::format("`{}` is no query: SQL of a flow only reads", beyond->text),
                                 "a transform is one SELECT, whose rows are its dataset; `load: TASK` with `into:` writes them");
    }

    /// What to write instead of `${text}`.
    std::string bound_hint(const std::string& text, bool in_quotes) const {
        const auto close = text.find('}');
        auto name = text.substr(2, (close == std::string::npos ? text.size() : close) - 2);
        name = name.substr(0, name.find(':'));
        if (name.starts_with("item.")) return "read the table of `for_each` instead, or join with _item in what was extracted";
        std::replace(name.begin(), name.end(), '.', '_');
        if (names_run_id(name)) return std::string(run_id_hint);
        const auto near = nearest(name, bindings_);
        return fmt::format("values are bound: write ${}{}", near.empty() ? "name" : near, in_quotes ? ", outside of the quotes" : "");
    }

    /// The id is bound nowhere: rows that tell their run are other ones each time.
    [[nodiscard]] bool names_run_id(const std::string& name) const {
        return name == "run_id" && std::find(bindings_.begin(), bindings_.end(), name) == bindings_.end();
    }

    void check_binding(const SqlPiece& piece, const SqlToken& token) {
        used_.insert(token.text);
        if (std::find(bindings_.begin(), bindings_.end(), token.text) != bindings_.end()) return;
        const auto mark = scope_.mark_in(piece, token.offset, token.length);
        if (!draft_.plan.interval && token.text.starts_with("interval_"))
            return scope_.diagnostics.error(mark, fmt::format("${} without an interval", token.text),
                                            "add interval: {every: 1d} to the flow");
        const auto near = nearest(token.text, bindings_);
        scope_.diagnostics.error(mark, fmt::format("there is no parameter ${}", token.text),
                                 names_run_id(token.text) ? std::string(run_id_hint)
                                 : near.empty()           ? "declare it under `params:`"
                                                          : "did you mean $" + near + "?");
    }

    void lint(const SqlPiece& piece, const std::vector<SqlToken>& tokens, std::size_t i) {
        const auto symbol = [&](std::size_t at, const char* text) {
            return at < tokens.size() && tokens[at].kind == SqlToken::Kind::Symbol && tokens[at].text == text;
        };
        const bool called = symbol(i + 1, "(");
        if (i > 0 && symbol(i - 1, ".")) return; // a column of that name
        for (const auto& row : impure)
            if (tokens[i].text == row.name && (called || !row.is_function))
                scope_.diagnostics.warning(scope_.mark_in(piece, tokens[i].offset, tokens[i].length),
                                           fmt::format("{}{} gives another result each time", row.name, called ? "()" : ""),
                                           std::string(row.hint));
    }

    /// A command may read any parameter from its environment; beside mistakes the use may be one that is misspelt.
    void warn_of_unused_params() {
        if (scope_.diagnostics.has_errors() ||
            std::any_of(draft_.tasks.begin(), draft_.tasks.end(), [](const DraftTask& t) { return t.plan.verb == Verb::Run; }))
            return;
        for (const auto& param : draft_.plan.params)
            if (!used_.contains(param.name))
                scope_.diagnostics.warning(draft_.param_marks.at(param.name), fmt::format("nothing uses the parameter '{}'", param.name),
                                           fmt::format("write ${{{0}}} in a text or ${0} in SQL, or remove it", param.name));
    }

    /// `${}` in a shell command is the shell's: warn where it looks like ours.
    void check_shell(const DraftTask& task) {
        const auto* run = std::get_if<RunOptions>(&task.options);
        if (run == nullptr || run->command.empty()) return;
        const auto* object = task.node->find("run");
        std::vector<Reference> found;
        try {
            found = references(run->command);
        } catch (const std::invalid_argument&) {
            return; // the shell will say so
        }
        for (const auto& r : found)
            if (r.name.find('.') != std::string::npos || std::find(names_.begin(), names_.end(), r.name) != names_.end())
                scope_.diagnostics.error(mark_inside(object->value, r.offset, r.length, scope_.diagnostics.source()),
                                         "in a shell command nothing is substituted: text from an API could be a command",
                                         "pass it in `env:` and write $NAME, or write the command as a list");
    }

    Draft& draft_;
    CompileScope& scope_;
    std::vector<std::string> names_;    ///< of `${}`
    std::vector<std::string> bindings_; ///< of `$name` in SQL
    std::set<std::string> used_;        ///< of both
};

} // namespace

void check_references(Draft& draft, CompileScope& scope) { ReferenceCheck(draft, scope).check(); }

} // namespace millrace
