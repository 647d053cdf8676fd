#include "connectors/targets/scope.hpp"

#include "flows/error.hpp"

#include <cctype>

namespace millrace {
namespace {

class Parser {
public:
    Parser(const std::string& text, const std::function<ScopeValue(const std::string&)>& lookup) : text_(text), lookup_(lookup) {}

    std::vector<ScopeTerm> parse() {
        std::vector<ScopeTerm> out;
        do out.push_back(term());
        while (word("and"));
        skip();
        if (at_ != text_.size()) refuse();
        return out;
    }

private:
    [[noreturn]] void refuse() const {
        throw Error(ErrorClass::Permanent, "scope: '" + text_.substr(at_, 40) + "' is not understood",
                    "a scope is column op value [and ...]: op is = <> < <= > >= in (..), is null or is not null; a value is a literal or a "
                    "$parameter");
    }
    void skip() {
        while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
    }
    static bool in_word(char ch) {
        return std::isalnum(static_cast<unsigned char>(ch)) != 0 || ch == '_' || static_cast<unsigned char>(ch) >= 0x80;
    }

    bool word(const std::string& expected) {
        skip();
        std::size_t i = 0;
        while (i < expected.size() && at_ + i < text_.size() && std::tolower(static_cast<unsigned char>(text_[at_ + i])) == expected[i])
            ++i;
        if (i != expected.size() || (at_ + i < text_.size() && in_word(text_[at_ + i]))) return false;
        at_ += i;
        return true;
    }
    bool symbol(const std::string& expected) {
        skip();
        if (text_.compare(at_, expected.size(), expected) != 0) return false;
        at_ += expected.size();
        return true;
    }
    std::string quoted(char mark) {
        std::string out;
        for (++at_; at_ < text_.size(); ++at_) {
            if (text_[at_] != mark)
                out += text_[at_];
            else if (at_ + 1 < text_.size() && text_[at_ + 1] == mark)
                out += text_[at_++];
            else {
                ++at_;
                return out;
            }
        }
        refuse();
    }
    std::string name() {
        skip();
        if (at_ < text_.size() && text_[at_] == '"') return quoted('"');
        std::string out;
        while (at_ < text_.size() && in_word(text_[at_])) out += text_[at_++];
        if (out.empty() || std::isdigit(static_cast<unsigned char>(out[0])) != 0) refuse();
        return out;
    }
    ScopeValue value() {
        skip();
        const std::size_t begin = at_;
        ScopeValue out = symbol("$") ? lookup_(name()) : literal();
        out.shown = text_.substr(begin, at_ - begin);
        return out;
    }
    ScopeValue literal() {
        if (at_ >= text_.size()) refuse();
        if (text_[at_] == '\'') return {quoted('\''), "text", ""};
        if (word("true")) return {"true", "bool", ""};
        if (word("false")) return {"false", "bool", ""};
        for (const char* kind : {"date", "timestamptz"})
            if (word(kind)) {
                skip();
                if (at_ < text_.size() && text_[at_] == '\'') return {quoted('\''), kind, ""};
                refuse();
            }
        std::string number;
        while (at_ < text_.size() &&
               (std::isdigit(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '.' || (number.empty() && text_[at_] == '-')))
            number += text_[at_++];
        if (number.empty() || number == "-" || number == ".") refuse();
        return {number, "decimal", ""};
    }
    ScopeTerm term() {
        ScopeTerm out{name(), "", {}};
        if (word("is")) {
            out.op = word("not") ? "is not null" : "is null";
            if (!word("null")) refuse();
            return out;
        }
        if (word("in")) {
            out.op = "in";
            if (!symbol("(")) refuse();
            do out.values.push_back(value());
            while (symbol(","));
            if (!symbol(")")) refuse();
            return out;
        }
        for (const char* op : {"<=", ">=", "<>", "!=", "=", "<", ">"}) {
            if (!symbol(op)) continue;
            out.op = std::string(op) == "!=" ? "<>" : op;
            out.values.push_back(value());
            return out;
        }
        refuse();
    }

    const std::string& text_;
    const std::function<ScopeValue(const std::string&)>& lookup_;
    std::size_t at_ = 0;
};

} // namespace

std::vector<ScopeTerm> parse_scope(const std::string& text, const std::function<ScopeValue(const std::string& name)>& lookup) {
    return Parser(text, lookup).parse();
}

} // namespace millrace
