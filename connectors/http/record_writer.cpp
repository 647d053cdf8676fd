#include "connectors/http/record_writer.hpp"

#include "flows/error.hpp"
#include "flows/time.hpp"
#include "flows/type_names.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <unordered_map>
#include <utility>

namespace millrace {
namespace {

using duckdb::ColumnWriter;
using duckdb::Int128;
using duckdb::Type;
using duckdb::TypeId;

/// Where we are, for messages: a chain of names on the stack.
struct Place {
    const Place* parent = nullptr;
    std::string_view name;

    [[nodiscard]] std::string path() const {
        const std::string above = parent == nullptr ? "" : parent->path();
        if (name.empty()) return above + "[]";
        return above.empty() ? std::string(name) : above + "." + std::string(name);
    }
};

/// On one line, cut between characters.
std::string shown(std::string_view raw) {
    constexpr std::size_t most = 80;
    std::size_t end = raw.size() <= most ? raw.size() : most - 3;
    while (end > 0 && end < raw.size() && (static_cast<unsigned char>(raw[end]) & 0xC0) == 0x80) --end;
    std::string text(raw.substr(0, end));
    for (char& c : text)
        if (static_cast<unsigned char>(c) < ' ') c = ' ';
    return end < raw.size() ? text + "..." : text;
}

std::string kind_of(char first) {
    switch (first) {
    case '"': return "text";
    case '{': return "object";
    case '[': return "list";
    case 't':
    case 'f': return "boolean";
    case 'n': return "null";
    default: return "number";
    }
}

[[noreturn]] void refuse(const Place& at, const std::string& rule) { throw RecordMistake(at.path(), rule); }
[[noreturn]] void refuse_value(const Place& at, const std::string& value, const std::string& rule) {
    throw RecordMistake(at.path(), rule, value);
}
[[noreturn]] void refuse_kind(const Place& at, JsonCursor cursor, const Type& type) {
    const std::string kind = kind_of(cursor.peek());
    const std::string rule = (kind == "object" ? "is an " : "is a ") + kind + ", declared " + type_words(type.name);
    refuse_value(at, shown(cursor.skip()), rule);
}

/// One type, with what is needed to find members by name.
struct Node {
    explicit Node(const Type& t, const std::string& path) : type(&t) {
        switch (t.id) {
        case TypeId::Struct:
            for (std::size_t i = 0; i < t.children.size(); ++i) children.emplace_back(t.children[i], path + "." + t.labels[i]);
            name_members(t.labels);
            break;
        case TypeId::List: children.emplace_back(t.children[0], path + "[]"); break;
        case TypeId::Varchar:
        case TypeId::Boolean:
        case TypeId::TinyInt:
        case TypeId::SmallInt:
        case TypeId::Integer:
        case TypeId::BigInt:
        case TypeId::UBigInt:
        case TypeId::Float:
        case TypeId::Double:
        case TypeId::Decimal:
        case TypeId::Date:
        case TypeId::Timestamp:
        case TypeId::TimestampTz: break;
        default:
            throw Error(ErrorClass::Permanent, "column '" + path + "': a " + type_words(t.name) + " cannot be read from JSON",
                        "use text, bool, an integer type, double, decimal, date, timestamp, timestamptz, json, struct or a list");
        }
    }
    void name_members(const std::vector<std::string>& labels) {
        names = labels;
        for (std::size_t i = 0; i < labels.size(); ++i) by_name.emplace(names[i], i);
        seen.assign(labels.size(), 0);
    }
    /// The member of that name; -1 when there is none. Records of one API name their members in one order, so the member after
    /// the last one is tried first.
    int member(std::string_view name) {
        if (expected < names.size() && names[expected] == name) return static_cast<int>(expected++);
        const auto found = by_name.find(std::string(name));
        if (found == by_name.end()) return -1;
        expected = found->second + 1;
        return static_cast<int>(found->second);
    }

    const Type* type = nullptr;
    std::vector<Node> children;
    std::vector<std::string> names;
    std::unordered_map<std::string, std::size_t> by_name;
    std::vector<std::uint64_t> seen; ///< the number of the last object that had the member
    std::uint64_t object = 0;        ///< numbers the objects
    std::size_t expected = 0;

    Node() = default;
};

template <class T>
void set_integer(std::string_view raw, ColumnWriter& column, std::uint64_t row, const Place& at) {
    T value{};
    const auto [end, status] = std::from_chars(raw.data(), raw.data() + raw.size(), value);
    if (status != std::errc() || end != raw.data() + raw.size()) {
        Int128 exact = 0; // to JSON, 3600.0 and 3.6e3 are the integer 3600
        if (!parse_decimal(raw, std::numeric_limits<std::uint64_t>::digits10 + 1, 0, exact) || exact < std::numeric_limits<T>::min() ||
            exact > std::numeric_limits<T>::max())
            refuse_value(at, shown(raw), "is no " + type_words(column.type().name));
        value = static_cast<T>(exact);
    }
    column.set<T>(row, value);
}

template <class T>
void set_real(std::string_view raw, ColumnWriter& column, std::uint64_t row, const Place& at) {
    double value = 0;
    const auto [end, status] = std::from_chars(raw.data(), raw.data() + raw.size(), value);
    const bool fits = std::abs(value) <= static_cast<double>(std::numeric_limits<T>::max());
    if (status != std::errc() || end != raw.data() + raw.size() || !fits)
        refuse_value(at, shown(raw), "is no " + type_words(column.type().name));
    column.set<T>(row, static_cast<T>(value));
}

void set_decimal(std::string_view raw, FineDigits fine, ColumnWriter& column, std::uint64_t row, const Place& at) {
    const Type& type = column.type();
    Int128 value = 0;
    if (!parse_decimal(raw, type.width, type.scale, value, fine)) refuse_value(at, shown(raw), "does not fit " + type_words(type.name));
    switch (type.physical) {
    case TypeId::SmallInt: column.set(row, static_cast<std::int16_t>(value)); break;
    case TypeId::Integer: column.set(row, static_cast<std::int32_t>(value)); break;
    case TypeId::BigInt: column.set(row, static_cast<std::int64_t>(value)); break;
    default: column.set(row, value);
    }
}

void set_time(std::string_view text, ColumnWriter& column, std::uint64_t row, const Place& at) {
    const TypeId id = column.type().id;
    std::string whole(text);
    if (id == TypeId::Date) whole += "T00:00:00Z";
    if (id == TypeId::Timestamp) whole += "Z";
    const auto instant = parse_rfc3339(whole);
    if (!instant)
        refuse_value(at, "'" + shown(text) + "'",
                     id == TypeId::Date        ? "is no date (YYYY-MM-DD)"
                     : id == TypeId::Timestamp ? "is no local time without offset"
                                               : "is no instant with Z or an offset");
    if (id == TypeId::Date)
        column.set(row, static_cast<std::int32_t>(to_micros(*instant) / 86'400'000'000));
    else
        column.set(row, to_micros(*instant));
}

} // namespace

struct RecordWriter::Walk {
    Node root; ///< the resource's columns
    Scalars scalars = Scalars::Typed;
    FineDigits fine = FineDigits::Refuse; ///< of the column that is read
    std::vector<FineDigits> fine_digits;  ///< of each column
    std::vector<char> required;
    std::vector<char> is_key;
    std::uint64_t hash = 0;
    bool unknown = false;
    std::map<std::string, std::string> unknown_members;
    std::string scratch, name_scratch;

    void value(JsonCursor& cursor, Node& node, ColumnWriter& column, std::uint64_t row, const Place& at);
    void object(JsonCursor& cursor, Node& node, ColumnWriter& column, std::uint64_t row, const Place& at);
    void list(JsonCursor& cursor, Node& node, ColumnWriter& column, std::uint64_t row, const Place& at);
    void written(JsonCursor& cursor, ColumnWriter& column, std::uint64_t row, const Place& at);
    void scalar(JsonCursor& cursor, ColumnWriter& column, std::uint64_t row, const Place& at);
    void surplus(JsonCursor& cursor, const Place& at);
    /// The page holds the bytes, unless there are escapes in them.
    void set_string(ColumnWriter& column, std::uint64_t row, std::string_view raw) {
        const std::string_view text = unescaped(raw, scratch);
        if (text.data() == raw.data())
            column.set_text_in_place(row, text);
        else
            column.set_text(row, text);
    }
    [[nodiscard]] std::string_view member_name(JsonCursor& cursor) { return unescaped(cursor.key(), name_scratch); }
};

/// A member that no column declares.
void RecordWriter::Walk::surplus(JsonCursor& cursor, const Place& at) {
    unknown = true;
    const char first = cursor.peek();
    (void)cursor.check();
    if (unknown_members.size() < 1000) unknown_members.try_emplace(at.path(), kind_of(first));
}

/// A number or a boolean as text.
void RecordWriter::Walk::written(JsonCursor& cursor, ColumnWriter& column, std::uint64_t row, const Place& at) {
    const std::string_view raw = cursor.scalar();
    if (raw != "true" && raw != "false" && !is_number(raw)) refuse_value(at, shown(raw), "is no value");
    if (raw.front() == 't' || raw.front() == 'f' || raw.find_first_of("eE") == std::string_view::npos)
        column.set_text_in_place(row, raw);
    else
        column.set_text(row, plain_number(raw));
}

void RecordWriter::Walk::scalar(JsonCursor& cursor, ColumnWriter& column, std::uint64_t row, const Place& at) {
    const Type& type = column.type();
    const char first = cursor.peek();
    const bool number = first == '-' || (first >= '0' && first <= '9');
    switch (type.id) {
    case TypeId::Varchar:
        if (scalars == Scalars::AsText && (number || first == 't' || first == 'f')) return written(cursor, column, row, at);
        if (first != '"') refuse_kind(at, cursor, type);
        set_string(column, row, cursor.raw_string());
        return;
    case TypeId::Boolean: {
        if (first != 't' && first != 'f') refuse_kind(at, cursor, type);
        const std::string_view raw = cursor.scalar();
        if (raw != "true" && raw != "false") refuse_value(at, shown(raw), "is no value");
        column.set(row, raw == "true");
        return;
    }
    case TypeId::Date:
    case TypeId::Timestamp:
    case TypeId::TimestampTz:
        if (first != '"') refuse_kind(at, cursor, type);
        set_time(unescaped(cursor.raw_string(), scratch), column, row, at);
        return;
    case TypeId::Decimal:
        if (!number && first != '"') refuse_kind(at, cursor, type);
        set_decimal(number ? cursor.scalar() : cursor.raw_string(), fine, column, row, at);
        return;
    default: break;
    }
    if (!number) refuse_kind(at, cursor, type);
    const std::string_view raw = cursor.scalar();
    if (!is_number(raw)) refuse_value(at, shown(raw), "is no number");
    switch (type.id) {
    case TypeId::TinyInt: set_integer<std::int8_t>(raw, column, row, at); break;
    case TypeId::SmallInt: set_integer<std::int16_t>(raw, column, row, at); break;
    case TypeId::Integer: set_integer<std::int32_t>(raw, column, row, at); break;
    case TypeId::BigInt: set_integer<std::int64_t>(raw, column, row, at); break;
    case TypeId::UBigInt: set_integer<std::uint64_t>(raw, column, row, at); break;
    case TypeId::Float: set_real<float>(raw, column, row, at); break;
    default: set_real<double>(raw, column, row, at);
    }
}

void RecordWriter::Walk::list(JsonCursor& cursor, Node& node, ColumnWriter& column, std::uint64_t row, const Place& at) {
    cursor.expect('[');
    const std::uint64_t first = column.elements();
    const Place inside{&at, {}};
    if (!cursor.accept(']')) {
        // The elements of one list lie together. A list inside a list grows its own child, so this holds at every depth.
        do value(cursor, node.children[0], column.child(0), column.add_element(), inside);
        while (cursor.accept(','));
        cursor.expect(']');
    }
    column.set_list(row, first);
}

void RecordWriter::Walk::object(JsonCursor& cursor, Node& node, ColumnWriter& column, std::uint64_t row, const Place& at) {
    cursor.expect('{');
    const std::uint64_t number = ++node.object;
    node.expected = 0;
    if (!cursor.accept('}')) {
        do {
            const std::string_view name = member_name(cursor);
            const int i = node.member(name);
            if (i < 0) {
                const std::string kept(name);
                surplus(cursor, Place{&at, kept});
                continue;
            }
            const auto k = static_cast<std::size_t>(i);
            node.seen[k] = number;
            value(cursor, node.children[k], column.child(k), row, Place{&at, node.names[k]});
        } while (cursor.accept(','));
        cursor.expect('}');
    }
    column.set_struct(row);
    for (std::size_t i = 0; i < node.seen.size(); ++i)
        if (node.seen[i] != number) column.child(i).set_null(row);
}

void RecordWriter::Walk::value(JsonCursor& cursor, Node& node, ColumnWriter& column, std::uint64_t row, const Place& at) {
    const char first = cursor.peek();
    if (first == 'n') {
        if (cursor.scalar() != "null") refuse(at, "is no value");
        column.set_null(row);
    } else if (node.type->is_json) {
        column.set_text_in_place(row, cursor.check());
    } else if (node.type->id == TypeId::Struct) {
        if (first != '{') refuse_kind(at, cursor, *node.type);
        object(cursor, node, column, row, at);
    } else if (node.type->id == TypeId::List) {
        if (first != '[') refuse_kind(at, cursor, *node.type);
        list(cursor, node, column, row, at);
    } else {
        scalar(cursor, column, row, at);
    }
}

RecordWriter::RecordWriter(const ResourceSpec& resource, std::span<const duckdb::Column> types, Scalars scalars)
    : walk_(std::make_unique<Walk>()) {
    walk_->scalars = scalars;
    std::vector<std::string> names;
    for (std::size_t i = 0; i < resource.columns.size(); ++i) {
        walk_->root.children.emplace_back(types[i].type, resource.columns[i].name);
        names.push_back(resource.columns[i].name);
        const bool rounded =
            std::find(resource.rounded.begin(), resource.rounded.end(), resource.columns[i].name) != resource.rounded.end();
        walk_->fine_digits.push_back(rounded ? FineDigits::Round : FineDigits::Refuse);
        walk_->required.push_back(resource.columns[i].nullable ? 0 : 1);
    }
    walk_->root.name_members(names);
    walk_->is_key.assign(names.size(), 0);
    for (const std::string& key : resource.key) {
        const auto found = walk_->root.by_name.find(key);
        if (found == walk_->root.by_name.end())
            throw Error(ErrorClass::Permanent, "the key '" + key + "' of resource '" + resource.name + "' is no column of it",
                        "declare it under `columns`");
        walk_->is_key[found->second] = 1;
    }
}
RecordWriter::RecordWriter(RecordWriter&&) noexcept = default;
RecordWriter::~RecordWriter() = default;

void RecordWriter::write(JsonCursor cursor, std::vector<ColumnWriter>& columns, std::uint64_t row) {
    Walk& walk = *walk_;
    Node& root = walk.root;
    if (cursor.peek() != '{') throw RecordMistake("is no object but a " + kind_of(cursor.peek()));
    cursor.expect('{');
    const std::uint64_t number = ++root.object;
    root.expected = 0;
    walk.hash = 0;
    walk.unknown = false;
    if (!cursor.accept('}')) {
        do {
            const std::string_view name = walk.member_name(cursor);
            const int i = root.member(name);
            if (i < 0) {
                const std::string kept(name);
                walk.surplus(cursor, Place{nullptr, kept});
                continue;
            }
            const auto k = static_cast<std::size_t>(i);
            const Place at{nullptr, root.names[k]};
            root.seen[k] = number;
            if (walk.required[k] != 0 && cursor.peek() == 'n') refuse(at, "is null and may not be");
            const char* from = cursor.here();
            const char* last = from;
            if (walk.is_key[k] != 0) {
                JsonCursor ahead = cursor;
                const std::string_view raw = ahead.skip();
                last = raw.data() + raw.size();
            }
            walk.fine = walk.fine_digits[k];
            walk.value(cursor, root.children[k], columns[k], row, at);
            if (last != from)
                walk.hash ^=
                    (std::hash<std::string_view>{}({from, static_cast<std::size_t>(last - from)}) + 0x9e3779b97f4a7c15ULL * (k + 1));
        } while (cursor.accept(','));
        cursor.expect('}');
    }
    for (std::size_t i = 0; i < root.seen.size(); ++i) {
        if (root.seen[i] == number) continue;
        if (walk.required[i] != 0) refuse(Place{nullptr, root.names[i]}, "is missing");
        columns[i].set_null(row);
    }
}

std::uint64_t RecordWriter::key_hash() const { return walk_->hash; }
std::map<std::string, std::string> RecordWriter::take_unknown_members() { return std::exchange(walk_->unknown_members, {}); }
bool RecordWriter::had_unknown_member() const { return walk_->unknown; }

} // namespace millrace
