#include "flows/yaml.hpp"

#include "flows/yaml_checks.hpp"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <map>
#include <sstream>

namespace millrace {
namespace {

/// Ends the parse after a mistake that is already reported.
struct Stop {};

/// Builds the tree from yaml-cpp's events, whose marks are 0-based lines and bytes.
class TreeBuilder : public YAML::EventHandler {
public:
    TreeBuilder(const SourceText& source, Diagnostics& diagnostics, const YamlLimits& limits)
        : source_(source), diagnostics_(diagnostics), limits_(limits) {}

    std::optional<YamlNode> root;

    void OnDocumentStart(const YAML::Mark& mark) override {
        if (root || !open_.empty()) stop(to_mark(mark), "a second document begins here", "one file holds one document: remove the '---'");
    }
    void OnDocumentEnd() override {}
    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { put(node(YamlNode::Kind::Null, mark), anchor); }

    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value) override {
        auto scalar = node(YamlNode::Kind::Scalar, mark);
        check_tag(tag, scalar.mark);
        scalar.text = value;
        scalar.style = style_at(scalar.mark);
        const bool block = scalar.style == YamlNode::Style::Block || scalar.style == YamlNode::Style::Folded;
        if (block && value.find_first_not_of("\n ") == std::string::npos && report_unindented_block(scalar.mark.line, diagnostics_))
            throw Stop();
        scalar.mark.length = scalar.style == YamlNode::Style::Quoted ? length_of_quoted(scalar.mark) : static_cast<int>(value.size());
        put(std::move(scalar), anchor);
    }

    void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        const auto found = anchors_.find(anchor);
        if (found == anchors_.end()) stop(to_mark(mark), "this alias stands inside the value that it names", "write the value out");
        count(found->second.nodes, to_mark(mark));
        put(YamlNode(found->second.value), 0);
    }

    void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
        open(YamlNode::Kind::List, mark, tag, anchor);
    }
    void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
        open(YamlNode::Kind::Map, mark, tag, anchor);
    }
    void OnSequenceEnd() override { close(); }
    void OnMapEnd() override { close(); }

private:
    struct Open {
        YamlNode node;
        YAML::anchor_t anchor = 0;
        std::size_t first_node = 0;      ///< the count when it began
        std::optional<YamlNode> key;     ///< of a map: read, its value not yet
        std::map<std::string, int> seen; ///< key -> line
    };
    struct Anchored {
        YamlNode value;
        std::size_t nodes;
    };

    static Mark to_mark(const YAML::Mark& mark) { return {mark.line + 1, mark.column + 1, 1}; }

    [[noreturn]] void stop(Mark mark, std::string message, std::string hint) {
        diagnostics_.error(mark, std::move(message), std::move(hint));
        throw Stop();
    }

    void count(std::size_t nodes, Mark mark) {
        nodes_ += nodes;
        if (nodes_ > limits_.nodes)
            stop(mark, fmt::format("the file has more than {} values, aliases written out", limits_.nodes),
                 "split the file, or use fewer aliases");
    }

    YamlNode node(YamlNode::Kind kind, const YAML::Mark& mark) {
        count(1, to_mark(mark));
        YamlNode made;
        made.kind = kind;
        made.mark = to_mark(mark);
        return made;
    }

    void check_tag(const std::string& tag, Mark mark) {
        if (!tag.empty() && tag != "?" && tag != "!")
            diagnostics_.error(mark, "tags such as '!!str' have no meaning here", "put text in quotes instead");
    }

    int length_of_quoted(Mark mark) {
        const auto length = quoted_length(source_, mark);
        if (!length) stop(mark, "a quoted text begins here and is not closed", "add the missing quote");
        return *length;
    }

    YamlNode::Style style_at(Mark mark) const {
        const auto line = source_.line(mark.line);
        const auto at = static_cast<std::size_t>(mark.column - 1);
        switch (at < line.size() ? line[at] : ' ') {
        case '"':
        case '\'': return YamlNode::Style::Quoted;
        case '|': return YamlNode::Style::Block;
        case '>': return YamlNode::Style::Folded;
        default: return YamlNode::Style::Plain;
        }
    }

    void open(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
        if (static_cast<int>(open_.size()) >= limits_.depth)
            stop(to_mark(mark), fmt::format("values are nested more than {} levels deep", limits_.depth),
                 "no flow needs that: check the brackets and the indentation");
        check_tag(tag, to_mark(mark));
        Open value;
        value.first_node = nodes_;
        value.node = node(kind, mark);
        value.anchor = anchor;
        open_.push_back(std::move(value));
    }

    void close() {
        auto value = std::move(open_.back());
        open_.pop_back();
        nodes_of_closed_ = nodes_ - value.first_node;
        put(std::move(value.node), value.anchor);
    }

    void put(YamlNode value, YAML::anchor_t anchor) {
        if (anchor != 0) anchors_[anchor] = {value, value.items.empty() && value.entries.empty() ? 1 : nodes_of_closed_};
        if (open_.empty()) {
            root = std::move(value);
        } else if (auto& parent = open_.back(); parent.node.is_list()) {
            parent.node.items.push_back(std::move(value));
        } else if (!parent.key) {
            check_key(parent, value);
            parent.key = std::move(value);
        } else {
            check_glued(*parent.key, value);
            if (value.is_null()) value.mark = parent.key->mark; // yaml-cpp reports the next token's place
            parent.node.entries.push_back({parent.key->text, parent.key->mark, std::move(value)});
            parent.key.reset();
        }
    }

    /// "extract:clockify.clients" where a mapping belongs, or as a key without a value: read as text it would puzzle later.
    void check_glued(const YamlNode& key, const YamlNode& value) {
        const bool alone = value.is_scalar() && value.style == YamlNode::Style::Plain && value.mark.line > key.mark.line;
        const bool cut = value.is_null() || key.text.find(":{") != std::string::npos || key.text.find(":[") != std::string::npos;
        if (!alone && !(cut && key.style == YamlNode::Style::Plain)) return;
        if (const auto colon = glued_colon_at(alone ? value.mark : key.mark, diagnostics_)) {
            report_glued(*colon, diagnostics_);
            throw Stop();
        }
    }

    void check_key(Open& map, YamlNode& key) {
        if (key.is_null()) key.text = "null";
        if (key.is_list() || key.is_map())
            stop(key.mark, "a key must be text, not a " + std::string(key.is_list() ? "list" : "mapping"),
                 "write 'key: value'; text that begins with { or [ needs quotes");
        if (key.text == "<<" && key.style == YamlNode::Style::Plain)
            diagnostics_.error(key.mark, "merge keys ('<<') are not part of the language",
                               "write the keys out, or put common settings under `defaults:`");
        const auto [first, fresh] = map.seen.emplace(key.text, key.mark.line);
        if (!fresh)
            diagnostics_.error(key.mark, fmt::format("'{}' is here twice; it is already on line {}", key.text, first->second),
                               "remove one of the two");
    }

    const SourceText& source_;
    Diagnostics& diagnostics_;
    const YamlLimits& limits_;
    std::vector<Open> open_;
    std::map<YAML::anchor_t, Anchored> anchors_;
    std::size_t nodes_ = 0;
    std::size_t nodes_of_closed_ = 1;
};

} // namespace

const YamlEntry* YamlNode::find(std::string_view key) const {
    for (const auto& entry : entries)
        if (entry.key == key) return &entry;
    return nullptr;
}

std::optional<YamlNode> parse_yaml(const SourceText& source, Diagnostics& diagnostics, const YamlLimits& limits) {
    if (!check_bytes(source, diagnostics, limits.bytes)) return std::nullopt;
    if (check_indentation(source, diagnostics)) return std::nullopt;
    TreeBuilder builder(source, diagnostics, limits);
    try {
        std::istringstream stream(source.text());
        YAML::Parser parser(stream);
        while (parser.HandleNextDocument(builder)) {
        }
    } catch (const Stop&) {
        return std::nullopt;
    } catch (const YAML::Exception& e) {
        report_yaml_error(e.msg, {e.mark.line + 1, e.mark.column + 1, 1}, diagnostics);
        return std::nullopt;
    }
    if (!builder.root) return YamlNode{};
    return std::move(builder.root);
}

} // namespace millrace
