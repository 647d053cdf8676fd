/// `${...}` in plain strings (section 4): params by name, item.x, interval.start|end, chunk.number, run.id|at, env.X,
/// connection.x (in source specs), window.start|end (in source specs); `${t:%Y-%m-%d}` formats a time in the scope's zone;
/// `$${` is a literal `${`. A value that is one reference and nothing else keeps the type of what it refers to. Pure.
#pragma once

#include "flows/host_message.hpp"

#include <functional>
#include <optional>
#include <string>

namespace millrace {

/// Names in dotted form -> values. Missing names are mistakes: the error lists the nearest one.
class Scope {
public:
    explicit Scope(std::string timezone = "UTC") : timezone_(std::move(timezone)) {}
    /// From the run's context: params, interval, chunk, run.
    explicit Scope(const RunContext& context);

    /// `name` "item" makes item.x of an object's members.
    void set(const std::string& name, Json value);
    [[nodiscard]] const Json* find(const std::string& dotted) const;
    [[nodiscard]] const std::string& timezone() const { return timezone_; }
    [[nodiscard]] const Json& values() const { return values_; }

private:
    std::string timezone_;
    Json values_ = Json::object();
};

/// Every string inside `value`, recursively. Throws Error{Permanent} that names the reference.
[[nodiscard]] Json substitute(const Json& value, const Scope& scope);
/// One string; a whole-value reference may give any type.
[[nodiscard]] Json substitute_text(const std::string& text, const Scope& scope);

/// `value` with its `${env.X}` filled in as literals. `variable` is asked by name; what it does not know is Error{Permanent}.
[[nodiscard]] Json with_environment(const Json& value, const std::function<std::optional<std::string>(const std::string&)>& variable);

/// One reference inside a string, for validation.
struct Reference {
    std::string name;   ///< dotted
    std::string format; ///< after ':', may be empty
    std::size_t offset; ///< byte of `$`
    std::size_t length;
};
/// Throws std::invalid_argument for an unclosed `${`.
[[nodiscard]] std::vector<Reference> references(const std::string& text);

} // namespace millrace
