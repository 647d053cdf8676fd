/// One mapping of a file, read against its table: unknown keys, missing keys and unfit values are reported when the form
/// is made; what the accessors return afterwards is sound, and absent where the value was not.
#pragma once

#include "flows/grammar/field.hpp"
#include "flows/grammar/shapes.hpp"

#include "flows/plan.hpp"

#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

namespace millrace {

class Form {
public:
    /// `tables`: the keys of all of them are allowed; `what` names the mapping in a sentence ("the task 'hours'").
    Form(const YamlNode& node, std::initializer_list<const Table*> tables, std::string what, Diagnostics& diagnostics);
    Form(const YamlNode& node, std::vector<const Table*> tables, std::string what, Diagnostics& diagnostics);

    /// The value, when the key is there and its value fits.
    [[nodiscard]] const YamlNode* get(std::string_view key) const;
    /// The place of the key, or of the mapping without it.
    [[nodiscard]] Mark key_mark(std::string_view key) const;
    /// The key is there, but misspelt, which is reported: it is not to be reported as missing too.
    [[nodiscard]] bool lacks_by_spelling(std::string_view key) const;
    [[nodiscard]] const YamlNode& node() const { return node_; }

    [[nodiscard]] std::string text(std::string_view key, std::string fallback = {}) const;
    [[nodiscard]] std::optional<std::int64_t> whole(std::string_view key) const;
    [[nodiscard]] bool flag(std::string_view key, bool fallback) const;
    [[nodiscard]] std::optional<double> seconds(std::string_view key) const;
    [[nodiscard]] Span span(std::string_view key) const;
    [[nodiscard]] std::optional<double> percent(std::string_view key) const;
    [[nodiscard]] std::optional<Share> share(std::string_view key) const;
    /// Of a list, or of one value that stands for a list of one.
    [[nodiscard]] std::vector<std::string> texts(std::string_view key) const;
    [[nodiscard]] Json json(std::string_view key) const;

private:
    void check(const std::vector<const Table*>& tables, const std::string& what, Diagnostics& diagnostics);

    const YamlNode& node_;
    std::vector<const YamlEntry*> sound_;
    std::vector<std::string> misspelt_; ///< the keys that misspelt ones mean
};

/// The scalars of a list, or the one scalar.
[[nodiscard]] std::vector<const YamlNode*> elements(const YamlNode& node);

} // namespace millrace
