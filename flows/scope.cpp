#include "flows/scope.hpp"

#include "flows/sql_scan.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace millrace {
namespace {

using enum SqlToken::Kind;

constexpr std::array<std::string_view, 7> operators{"=", "<>", "!=", "<", "<=", ">", ">="};
constexpr std::array<std::string_view, 14> types{"date",    "timestamptz", "timestamp", "text",   "varchar", "bool",    "boolean",
                                                 "integer", "int",         "smallint",  "bigint", "decimal", "numeric", "double"};

class Parser {
public:
    explicit Parser(const std::string& text) : text_(text), tokens_(scan_sql(text)) {}

    std::vector<ScopeComparison> parse() {
        std::vector<ScopeComparison> out;
        do out.push_back(comparison());
        while (take("and"));
        if (at_ < tokens_.size()) refuse("only `and` may follow a value");
        return out;
    }

private:
    [[noreturn]] void refuse(const std::string& message) const {
        const bool end = at_ >= tokens_.size();
        throw ScopeMistake(message, end ? text_.size() : tokens_[at_].offset, end ? 1 : tokens_[at_].length);
    }

    [[nodiscard]] bool is(SqlToken::Kind kind, std::size_t ahead = 0) const {
        return at_ + ahead < tokens_.size() && tokens_[at_ + ahead].kind == kind;
    }
    [[nodiscard]] bool sees(std::string_view word, std::size_t ahead = 0) const {
        return (is(Word, ahead) || is(Symbol, ahead)) && tokens_[at_ + ahead].text == word;
    }
    bool take(std::string_view word) {
        const bool there = sees(word);
        at_ += there ? 1 : 0;
        return there;
    }
    void need(std::string_view word, const char* what) {
        if (!take(word)) refuse(std::string(what) + " belongs here");
    }

    ScopeComparison comparison() {
        if (!is(Word) && !is(Quoted)) refuse("a column of the target belongs here");
        refuse_function();
        const SqlToken& name = tokens_[at_++];
        ScopeComparison out{name.kind == Quoted ? name.text : text_.substr(name.offset, name.length), name.offset, name.length, "", {}};
        if (take("is")) {
            out.op = take("not") ? "is not null" : "is null";
            need("null", "`null` or `not null`");
        } else if (take("in")) {
            out.op = "in";
            need("(", "a list in brackets");
            do out.values.push_back(value());
            while (take(","));
            need(")", "a ')'");
        } else {
            out.op = comparison_operator();
            out.values.push_back(value());
        }
        return out;
    }

    std::string comparison_operator() {
        const auto found = std::find_if(operators.begin(), operators.end(), [this](std::string_view op) { return take(op); });
        if (found == operators.end()) refuse("a comparison (=, <>, <, <=, >, >=, in, is null) belongs here");
        return *found == "!=" ? "<>" : std::string(*found);
    }

    std::string value() {
        const std::size_t begin = at_;
        if (take("cast")) {
            need("(", "a '('");
            (void)value();
            need("as", "`as` and a type");
            type();
            need(")", "a ')'");
        } else {
            plain_value();
        }
        while (take("::")) type();
        const SqlToken& last = tokens_[at_ - 1];
        return text_.substr(tokens_[begin].offset, last.offset + last.length - tokens_[begin].offset);
    }

    /// `${}` is reported by whoever looks for it in all SQL.
    void plain_value() {
        const bool two = ((sees("date") || sees("timestamptz")) && is(String, 1)) || (sees("-") && is(Number, 1));
        const bool one = is(String) || is(Number) || is(Parameter) || is(Reference) || sees("true") || sees("false");
        refuse_function();
        if (!two && !one) refuse("a literal or a $parameter belongs here");
        at_ += two ? 2 : 1;
    }

    void type() {
        if (std::none_of(types.begin(), types.end(), [this](std::string_view type) { return take(type); }))
            refuse("a type such as date, timestamptz, text, int or decimal(9,2) belongs here");
        if (!take("(")) return;
        do {
            if (!is(Number)) refuse("a number belongs here");
            ++at_;
        } while (take(","));
        need(")", "a ')'");
    }

    void refuse_function() const {
        if (is(Word) && sees("(", 1)) refuse("a scope has no functions");
    }

    const std::string& text_;
    std::vector<SqlToken> tokens_;
    std::size_t at_ = 0;
};

} // namespace

std::vector<ScopeComparison> parse_scope(const std::string& text) { return Parser(text).parse(); }

} // namespace millrace
