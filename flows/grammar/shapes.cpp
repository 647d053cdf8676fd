#include "flows/grammar/shapes.hpp"

#include "flows/interval.hpp"
#include "flows/nearest.hpp"
#include "flows/substitute.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <stdexcept>

namespace millrace {
namespace {

using enum Shape;

struct Words {
    Shape shape;
    const char* text;
};

/// In the order in which a sentence lists them.
constexpr std::array<Words, 24> words{{
    {Choice, ""}, // written out from the field
    {Name, "a name"},
    {Task, "the name of a task"},
    {Text, "text"},
    {Template, "text"},
    {Sql, "SQL"},
    {Whole, "a whole number"},
    {Bool, "true or false"},
    {False, "false"},
    {Duration, "a duration such as 90s, 5m, 2h or 7d"},
    {Span, "a span such as 90s, 2h, 7d, 1mo or 1y"},
    {Percent, "a percentage such as 1%"},
    {Memory, "an amount of memory such as 512MB"},
    {Moment, "a date or an instant"},
    {Texts, "a list of text"},
    {Choices, ""},
    {Tasks, "a list of tasks"},
    {Mapping, "a mapping"},
    {Mappings, "a list of mappings"},
    {Named, "a mapping of names"},
    {Values, "a mapping of names to values"},
    {Slots, "a mapping of names to whole numbers"},
    {Strings, "a mapping of names to text"},
    {ByTable, "a mapping by table"},
}};

constexpr std::array<std::string_view, 9> reserved{"item", "event", "events", "interval", "chunk", "run", "env", "secret", "this"};
bool is_reserved(const std::string& text) { return std::find(reserved.begin(), reserved.end(), text) != reserved.end(); }

constexpr std::array<std::pair<std::string_view, std::int64_t>, 6> memory_units{
    {{"kB", 1000}, {"KiB", 1 << 10}, {"MB", 1'000'000}, {"MiB", 1 << 20}, {"GB", 1'000'000'000}, {"GiB", 1 << 30}}};

constexpr Shape scalars = Text | Template | Name | Task | Sql | Whole | Bool | False | Duration | Span | Percent | Memory | Moment | Choice;
constexpr Shape lists = Texts | Choices | Tasks | Mappings;
constexpr Shape maps = Mapping | Named | Values | Slots | Strings | ByTable;

bool same_letters(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

std::string joined(const std::vector<std::string>& parts, const char* last) {
    std::string text;
    for (std::size_t i = 0; i < parts.size(); ++i) text += (i == 0 ? "" : i + 1 < parts.size() ? ", " : last) + parts[i];
    return text;
}

std::string shown(const YamlNode& value) {
    if (value.is_list()) return "a list";
    if (value.is_map()) return "a mapping";
    if (value.is_null()) return "nothing";
    return value.text.size() > 40 || value.text.find('\n') != std::string::npos ? "this text" : "'" + value.text + "'";
}

bool is_number(const YamlNode& value, std::int64_t& number) {
    const auto& text = value.text;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return value.style == YamlNode::Style::Plain && error == std::errc() && end == text.data() + text.size() && number >= 0;
}

/// The sentence of a parser that throws, empty when it does not.
template <class Parse>
std::string complaint(const Parse& parse, const std::string& text) {
    try {
        (void)parse(text);
        return {};
    } catch (const std::invalid_argument& e) {
        return e.what();
    }
}

std::string moment_complaint(const std::string& text) {
    return complaint([](const std::string& t) { return parse_date_or_instant(t, "UTC"); }, text);
}

/// Why a scalar is not of one shape, empty when it is.
std::string scalar_complaint(const YamlNode& value, Shape shape, const Field& field) {
    const auto& text = value.text;
    std::int64_t number = 0;
    switch (shape) {
    case Name: return name_mistake(text);
    case Whole: return is_number(value, number) ? "" : shown(value) + " is no whole number";
    case Bool:
        return value.style == YamlNode::Style::Plain && (text == "true" || text == "false") ? ""
                                                                                            : shown(value) + " is neither true nor false";
    case False: return value.style == YamlNode::Style::Plain && text == "false" ? "" : shown(value) + " is not false";
    case Duration: return complaint(parse_duration, text);
    case Span: return complaint(parse_span, text);
    case Percent: return complaint(parse_percent, text);
    case Memory: return complaint(parse_memory, text);
    case Moment: return moment_complaint(text);
    case Choice: {
        const auto allowed = choices_of(field.choices);
        return std::find(allowed.begin(), allowed.end(), text) != allowed.end() ? ""
                                                                                : shown(value) + " is none of " + joined(allowed, " and ");
    }
    default: return text.find_first_not_of(" \t\r\n") == std::string::npos ? "this text is empty" : "";
    }
}

/// "0.5" is `50%`; empty: the text is no fraction.
std::string share_of_fraction(const std::string& text) {
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool fraction = error == std::errc() && end == text.data() + text.size() && text.find('.') != std::string::npos;
    return fraction && number > 0 && number <= 1 ? fmt::format("{:g}%", number * 100) : "";
}

/// What helps beyond "takes X, not Y".
std::string advice(const YamlNode& value, const Field& field, const std::string& why) {
    if (!value.is_scalar()) return {};
    if (has(field.shape, Choice | Choices))
        for (const auto& near : {nearest(value.text, choices_of(field.choices)), our_word_for(value.text, choices_of(field.choices))})
            if (!near.empty()) return "did you mean '" + near + "'?";
    if (has(field.shape, Name)) return name_rule(value.text);
    if (has(field.shape, Moment))
        if (const auto no_day = missing_day(value.text); !no_day.empty()) return no_day;
    if (has(field.shape, Percent))
        if (const auto share = share_of_fraction(value.text); !share.empty()) return "a share is written " + share;
    // A sentence that only repeats that the text is none is no advice.
    for (const char* telling : {"no unit", "is written", "calendar", "longer than", "is empty", "from 0%", "whole number with"})
        if (why.find(telling) != std::string::npos) return why;
    return {};
}

std::vector<Mismatch> refuse(const YamlNode& value, const Field& field, const std::string& why) {
    auto hint = advice(value, field, why);
    if (hint.empty() && has(field.shape, maps) && !field.example.empty())
        hint = fmt::format("{}: {}, for example", field.key, field.example);
    return {{value.mark, fmt::format("`{}` takes {}, not {}", field.key, describe(field), shown(value)), hint}};
}

std::vector<Mismatch> check_scalar(const YamlNode& value, const Field& field) {
    std::string why;
    int tried = 0;
    for (const auto& [shape, text] : words) {
        if (!has(scalars, shape) || !has(field.shape, shape)) continue;
        const auto complaint = scalar_complaint(value, shape, field);
        if (complaint.empty()) return {};
        why = complaint;
        ++tried;
    }
    const auto later = choices_of(field.later_choices);
    if (std::find(later.begin(), later.end(), value.text) != later.end())
        return {{value.mark, fmt::format("`{}: {}` is not available yet", field.key, value.text),
                 "leave it out: this version does not act on it"}};
    return refuse(value, field, tried == 1 ? why : "");
}

std::vector<Mismatch> check_list(const YamlNode& value, const Field& field) {
    std::vector<Mismatch> found;
    const Shape element = has(field.shape, Choices) ? Choice : has(field.shape, Mappings) ? Mapping : Text;
    for (const auto& item : value.items) {
        if (element == Mapping ? !item.is_map() : !item.is_scalar())
            found.push_back(
                {item.mark,
                 fmt::format("an entry of `{}` is {}, not {}", field.key, element == Mapping ? "a mapping" : "text", shown(item)), ""});
        else if (element != Mapping)
            if (const auto why = scalar_complaint(item, element, field); !why.empty()) {
                const auto near = element == Choice ? nearest(item.text, choices_of(field.choices)) : "";
                found.push_back({item.mark, fmt::format("in `{}` {}", field.key, why), near.empty() ? "" : "did you mean '" + near + "'?"});
            }
    }
    return found;
}

/// What to write where a text belongs.
std::string text_instead(const YamlEntry& entry) {
    if (entry.value.is_null() && entry.key.find_first_of(" )") != std::string::npos)
        return "between { and } a comma ends a value: put text with a comma in it in quotes";
    const auto* type = entry.value.is_map() ? entry.value.find("type") : nullptr; // as other tools declare columns
    return type == nullptr ? "" : fmt::format("write it as one text: {}: {}", entry.key, type->value.text);
}

std::vector<Mismatch> check_map(const YamlNode& value, const Field& field) {
    std::vector<Mismatch> found;
    std::int64_t number = 0;
    for (const auto& entry : value.entries) {
        if (has(field.shape, Slots) && !(entry.value.is_scalar() && is_number(entry.value, number)))
            found.push_back(
                {entry.value.mark, fmt::format("`{}: {}` takes a whole number, not {}", field.key, entry.key, shown(entry.value)), ""});
        if (has(field.shape, Strings) && !entry.value.is_scalar())
            found.push_back({entry.value.mark, fmt::format("`{}: {}` takes text, not {}", field.key, entry.key, shown(entry.value)),
                             text_instead(entry)});
    }
    return found;
}

} // namespace

std::span<const std::string_view> reserved_words() { return reserved; }

std::string name_rule(const std::string& text) {
    if (is_reserved(text)) return "these words are reserved: " + joined({reserved.begin(), reserved.end()}, " and ");
    const auto lower = [](char c) { return c >= 'a' && c <= 'z'; };
    const bool good = !text.empty() && text.size() <= 63 && lower(text[0]) &&
                      std::all_of(text.begin(), text.end(), [&](char c) { return lower(c) || (c >= '0' && c <= '9') || c == '_'; });
    return good ? "" : "a name begins with a lower-case letter and has lower-case letters, digits and _, at most 63 of them";
}

std::string name_mistake(const std::string& text) {
    if (name_rule(text).empty()) return {};
    return is_reserved(text) ? "'" + text + "' is a reserved word" : "'" + text.substr(0, 70) + "' is no name";
}

double parse_duration(const std::string& text) {
    const auto span = parse_span(text);
    if (span.months != 0) throw std::invalid_argument("'" + text + "' is a span of the calendar; a duration is 90s, 5m, 2h or 7d");
    return span.days * 86400.0 + static_cast<double>(span.seconds);
}

double parse_percent(const std::string& text) {
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool in_range = error == std::errc() && number >= 0 && number <= 100;
    if (!in_range || std::string_view(end) != "%")
        throw std::invalid_argument("'" + text + "' is no percentage from 0% to 100%" +
                                    (in_range && *end == '\0' ? "; write " + text + "%" : ""));
    return number;
}

std::int64_t parse_memory(const std::string& text) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    for (const auto& [unit, bytes] : memory_units)
        if (error == std::errc() && std::string_view(end) == unit && number > 0 && number < 1'000'000) return number * bytes;
    std::string unit(end, text.data() + text.size());
    std::erase(unit, ' ');
    if (error == std::errc() && number > 0 && unit.empty())
        throw std::invalid_argument("'" + text + "' has no unit: " + text + "MB or " + text + "MiB, for example");
    for (const auto& [known, bytes] : memory_units)
        for (const auto length : {known.size(), known.size() - 1, std::size_t{1}}) // 512mb, 2Gi, 2G
            if (error == std::errc() && number > 0 && same_letters(unit, known.substr(0, length)))
                throw std::invalid_argument("'" + text + "' is written " + std::to_string(number) + std::string(known));
    throw std::invalid_argument("'" + text + "' is no amount of memory; write 512MB or 2GiB, a whole number with its unit");
}

std::pair<std::string_view, std::int64_t> memory_unit(std::int64_t bytes) {
    for (auto unit = memory_units.rbegin(); unit != memory_units.rend(); ++unit)
        if (bytes % unit->second == 0) return *unit;
    return {"bytes", 1};
}

Share parse_share(const std::string& text) {
    if (text.ends_with('%')) return {parse_percent(text), std::nullopt};
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size() || number < 0)
        throw std::invalid_argument("'" + text + "' is neither a number nor a percentage");
    return {std::nullopt, number};
}

std::vector<std::string> choices_of(std::string_view choices) {
    std::vector<std::string> parts;
    for (std::size_t from = 0; !choices.empty() && from <= choices.size();) {
        const auto bar = std::min(choices.find('|', from), choices.size());
        parts.emplace_back(choices.substr(from, bar - from));
        from = bar + 1;
    }
    return parts;
}

std::string describe(const Field& field) {
    std::vector<std::string> parts;
    for (const auto& [shape, text] : words) {
        if (!has(field.shape, shape)) continue;
        std::string part = text;
        if (shape == Choice) part = joined(choices_of(field.choices), " or ");
        if (shape == Choices) part = "a list of " + joined(choices_of(field.choices), " or ");
        if (std::find(parts.begin(), parts.end(), part) == parts.end()) parts.push_back(part);
    }
    return joined(parts, ", or ");
}

std::vector<Mismatch> mismatches(const YamlNode& value, const Field& field) {
    if (has(field.shape, Any)) return {};
    if (value.is_null()) return {{value.mark, fmt::format("`{}` has no value", field.key), fmt::format("it takes {}", describe(field))}};
    if (value.is_map()) return has(field.shape, maps) ? check_map(value, field) : refuse(value, field, "");
    if (value.is_list()) return has(field.shape, lists) ? check_list(value, field) : refuse(value, field, "");
    if (has(field.shape, scalars)) return check_scalar(value, field);
    if (has(field.shape, Texts | Choices | Tasks)) { // one is a list of one
        YamlNode list;
        list.kind = YamlNode::Kind::List;
        list.items = {value};
        return check_list(list, field);
    }
    return refuse(value, field, "");
}

} // namespace millrace
