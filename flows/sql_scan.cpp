#include "flows/sql_scan.hpp"

#include "flows/letters.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <set>

namespace millrace {
namespace {

using Kind = SqlToken::Kind;

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || (static_cast<unsigned char>(c) & 0x80) != 0; }

class Scanner {
public:
    explicit Scanner(std::string_view sql) : sql_(sql) {}

    std::vector<SqlToken> scan() {
        while (at_ < sql_.size()) step();
        return std::move(tokens_);
    }

private:
    [[nodiscard]] bool sees(std::string_view text) const { return sql_.compare(at_, text.size(), text) == 0; }

    void step() {
        const char c = sql_[at_];
        if (std::isspace(static_cast<unsigned char>(c)))
            ++at_;
        else if (sees("--"))
            at_ = std::min(sql_.find('\n', at_), sql_.size());
        else if (sees("/*"))
            at_ = std::min(sql_.find("*/", at_ + 2), sql_.size() - 2) + 2;
        else if (c == '\'' || c == '"')
            quoted(c, Escapes::None);
        else if (sees("e'") || sees("E'"))
            escape_string();
        else if (sees("${"))
            reference();
        else if (c == '$')
            dollar();
        else if (std::isdigit(static_cast<unsigned char>(c)))
            take(Kind::Number, end_of_number());
        else if (is_word(c))
            take(Kind::Word, end_of_word(at_));
        else
            take(Kind::Symbol, at_ + (sees("<=") || sees(">=") || sees("<>") || sees("!=") || sees("::") ? 2 : 1));
    }

    [[nodiscard]] std::size_t end_of_word(std::size_t from) const {
        while (from < sql_.size() && is_word(sql_[from])) ++from;
        return from;
    }

    [[nodiscard]] std::size_t end_of_number() const {
        auto end = at_;
        while (end < sql_.size() && (is_word(sql_[end]) || (sql_[end] == '.' && end + 1 < sql_.size() &&
                                                            std::isdigit(static_cast<unsigned char>(sql_[end + 1])))))
            ++end;
        return end;
    }

    void take(Kind kind, std::size_t end) {
        std::string text(sql_.substr(at_, end - at_));
        if (kind == Kind::Word) text = lower_case(text);
        tokens_.push_back({kind, std::move(text), at_, end - at_});
        at_ = end;
    }

    void reference() { take(Kind::Reference, std::min(sql_.find('}', at_), sql_.size() - 1) + 1); }

    enum class Escapes { None, Backslash };

    /// `e'it\'s'`
    void escape_string() {
        ++at_;
        quoted('\'', Escapes::Backslash);
    }

    void quoted(char quote, Escapes escapes) {
        const auto first = at_;
        std::string text;
        for (++at_; at_ < sql_.size(); ++at_) {
            if (escapes == Escapes::Backslash && sql_[at_] == '\\' && at_ + 1 < sql_.size())
                ++at_;
            else if (sql_[at_] == quote && at_ + 1 < sql_.size() && sql_[at_ + 1] == quote)
                ++at_;
            else if (sql_[at_] == quote)
                break;
            text += sql_[at_];
        }
        at_ = std::min(at_ + 1, sql_.size());
        tokens_.push_back({quote == '"' ? Kind::Quoted : Kind::String, text, first, at_ - first});
        references_inside(first, at_);
    }

    void references_inside(std::size_t from, std::size_t to) {
        for (auto open = sql_.find("${", from); open < to; open = sql_.find("${", open + 2)) {
            const auto close = std::min(sql_.find('}', open), to - 1) + 1;
            tokens_.push_back({Kind::Reference, std::string(sql_.substr(open, close - open)), open, close - open});
        }
    }

    /// `$name`, `$1`, or a string in dollar quotes: `$$text$$`, `$tag$text$tag$`.
    void dollar() {
        const auto end = end_of_word(at_ + 1);
        if (end < sql_.size() && sql_[end] == '$') {
            const auto tag = sql_.substr(at_, end + 1 - at_);
            const auto close = sql_.find(tag, end + 1);
            const auto stop = close == std::string_view::npos ? sql_.size() : close + tag.size();
            const auto first = at_;
            take(Kind::String, stop);
            references_inside(first, stop);
            return;
        }
        take(end > at_ + 1 ? Kind::Parameter : Kind::Symbol, end);
        if (tokens_.back().kind == Kind::Parameter) tokens_.back().text.erase(0, 1);
    }

    std::string_view sql_;
    std::size_t at_ = 0;
    std::vector<SqlToken> tokens_;
};

template <std::size_t N>
bool among(const std::array<std::string_view, N>& words, const std::string& text) {
    return std::find(words.begin(), words.end(), text) != words.end();
}

constexpr std::array<std::string_view, 7> before_table{"from", "join", "pivot", "unpivot", "describe", "summarize", "table"};
constexpr std::array<std::string_view, 14> after_from{"where",     "group",  "order",  "having",  "limit",  "union", "except",
                                                      "intersect", "select", "window", "qualify", "offset", "using", "returning"};
constexpr std::array<std::string_view, 6> functions_with_from{"extract", "trim", "substring", "overlay", "position", "ltrim"};
constexpr std::array<std::string_view, 3> words_before_name{"lateral", "only", "recursive"};

bool is_symbol(const SqlToken& t, const char* text) { return t.kind == Kind::Symbol && t.text == text; }

/// `with a as (..), b(x) as materialized (..)`: a word that is followed by `as` and a bracket.
std::set<std::string> own_tables(const std::vector<SqlToken>& tokens) {
    std::set<std::string> names;
    for (std::size_t i = 0; i + 2 < tokens.size(); ++i) {
        if (!is_name(tokens[i])) continue;
        auto next = i + 1;
        if (is_symbol(tokens[next], "(")) // a list of columns
            while (next < tokens.size() && !is_symbol(tokens[next - 1], ")")) ++next;
        if (next + 1 >= tokens.size() || tokens[next].text != "as") continue;
        const bool hinted = tokens[next + 1].text == "materialized" || tokens[next + 1].text == "not";
        if (is_symbol(tokens[next + 1], "(") || hinted) names.insert(lower_case(tokens[i].text));
    }
    return names;
}

/// The word that says what a statement does: its first, or what follows the list behind `with`. Null: the list has no end.
const SqlToken* verb_of(const std::vector<SqlToken>& tokens) {
    if (tokens[0].kind != Kind::Word || tokens[0].text != "with") return &tokens[0];
    int depth = 0;
    for (std::size_t i = 1; i < tokens.size(); ++i) {
        // in the list, a bracket closes in front of a comma, of `as`, or of `using key (..) as`
        const bool listed = is_symbol(tokens[i], ",") || tokens[i].text == "as" || tokens[i].text == "using";
        if (depth == 0 && is_symbol(tokens[i - 1], ")") && !listed) return &tokens[i];
        depth += is_symbol(tokens[i], "(") ? 1 : is_symbol(tokens[i], ")") ? -1 : 0;
    }
    return nullptr;
}

} // namespace

std::vector<SqlToken> scan_sql(std::string_view sql) { return Scanner(sql).scan(); }

const SqlToken* beyond_one_query(const std::vector<SqlToken>& tokens) {
    constexpr std::array<std::string_view, 24> others{"insert", "update", "delete", "merge",   "create", "drop",   "alter",  "truncate",
                                                      "copy",   "attach", "detach", "install", "load",   "set",    "reset",  "pragma",
                                                      "call",   "use",    "begin",  "commit",  "export", "import", "vacuum", "comment"};
    const auto is_other = [&](const SqlToken& token) {
        return token.kind == Kind::Word && std::find(others.begin(), others.end(), token.text) != others.end();
    };
    if (tokens.empty()) return nullptr;
    if (const auto* verb = verb_of(tokens); verb != nullptr && is_other(*verb)) return verb;
    for (std::size_t i = 0; i + 1 < tokens.size(); ++i)
        if (is_symbol(tokens[i], ";")) return &tokens[i + 1];
    return nullptr;
}

std::string without_semicolon(const std::string& sql) {
    auto tokens = scan_sql(sql);
    while (!tokens.empty() && is_symbol(tokens.back(), ";")) tokens.pop_back();
    return tokens.empty() ? sql : sql.substr(0, tokens.back().offset + tokens.back().length);
}

std::vector<std::string> tables_read(const std::vector<SqlToken>& tokens) {
    struct Level {
        bool in_from = false;       ///< commas separate tables
        bool function_from = false; ///< `extract(year from x)`
    };
    const auto own = own_tables(tokens);
    std::vector<Level> levels{{}};
    std::vector<std::string> found;
    bool expected = false;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        const auto& token = tokens[i];
        if (is_symbol(token, "(")) {
            levels.push_back({expected, i > 0 && tokens[i - 1].kind == Kind::Word && among(functions_with_from, tokens[i - 1].text)});
        } else if (is_symbol(token, ")")) {
            if (levels.size() > 1) levels.pop_back();
            expected = false;
        } else if (is_symbol(token, ",")) {
            expected = levels.back().in_from;
        } else if (token.kind == Kind::Word && among(before_table, token.text)) {
            const bool distinct = i > 0 && tokens[i - 1].text == "distinct" && token.text == "from" && i > 1 &&
                                  (tokens[i - 2].text == "is" || tokens[i - 2].text == "not");
            if (distinct || (token.text == "from" && levels.back().function_from)) continue;
            expected = levels.back().in_from = true;
        } else if (token.kind == Kind::Word && among(after_from, token.text)) {
            expected = levels.back().in_from = false;
        } else if (expected && is_name(token) && !(token.kind == Kind::Word && among(words_before_name, token.text))) {
            expected = false;
            const bool qualified = i + 1 < tokens.size() && (is_symbol(tokens[i + 1], ".") || is_symbol(tokens[i + 1], "("));
            const auto name = lower_case(token.text);
            if (!qualified && !own.contains(name) && std::find(found.begin(), found.end(), name) == found.end()) found.push_back(name);
        }
    }
    return found;
}

} // namespace millrace
