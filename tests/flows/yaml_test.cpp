#include "flows/yaml.hpp"

#include <catch2/catch.hpp>

#include <ctime>

using namespace millrace;

namespace {

struct Parsed {
    explicit Parsed(std::string text) : source("flow.yaml", std::move(text)), diagnostics(source), root(parse_yaml(source, diagnostics)) {}

    [[nodiscard]] std::string first() const {
        const auto all = diagnostics.sorted();
        if (all.empty()) return "";
        return std::to_string(all[0].line) + ":" + std::to_string(all[0].column) + " " + all[0].message + " = " + all[0].hint;
    }

    SourceText source;
    Diagnostics diagnostics;
    std::optional<YamlNode> root;
};

std::string place(const Mark& m) { return std::to_string(m.line) + ":" + std::to_string(m.column) + "+" + std::to_string(m.length); }

} // namespace

TEST_CASE("yaml: every key and value knows its place") {
    const Parsed p("# comment\nflow: hours\ntasks:\n  a: {wait: \"5s\", tags: [x, y]}\n  b:\n");
    REQUIRE(p.root);
    const auto* flow = p.root->find("flow");
    CHECK(place(flow->mark) == "2:1+4");
    CHECK(place(flow->value.mark) == "2:7+5");
    const auto* a = p.root->find("tasks")->value.find("a");
    CHECK(place(a->value.find("wait")->value.mark) == "4:13+4");
    CHECK(place(a->value.find("tags")->value.items[1].mark) == "4:29+1");
    const auto* b = p.root->find("tasks")->value.find("b");
    CHECK(b->value.is_null());
    CHECK(place(b->value.mark) == "5:3+1");
}

TEST_CASE("yaml: plain values keep their types, what only looks like a number stays text") {
    const Parsed p("a: [1, -2, 0.5, true, null, ~, yes, 010, 1e3, \"5\", 99999999999999999999, 2026-11-20]\n");
    REQUIRE(p.root);
    CHECK(to_json_value(p.root->find("a")->value) ==
          Json({1, -2, 0.5, true, nullptr, nullptr, "yes", "010", "1e3", "5", "99999999999999999999", "2026-11-20"}));
}

TEST_CASE("yaml: a byte inside a scalar has a place") {
    const Parsed p("s: |\n\n  select 1\n    from x\nq: 'from x'\np: from x\n");
    const auto& block = p.root->find("s")->value;
    CHECK(place(mark_inside(block, block.text.find("from"), 4, p.source)) == "4:5+4");
    CHECK(place(mark_inside(block, block.text.find("select"), 6, p.source)) == "3:3+6");
    CHECK(place(mark_inside(p.root->find("q")->value, 5, 1, p.source)) == "5:10+1");
    CHECK(place(mark_inside(p.root->find("p")->value, 5, 1, p.source)) == "6:9+1");
}

TEST_CASE("yaml: strict where YAML is lax") {
    CHECK(Parsed("a: 1\nb: 2\na: 3\n").first() == "3:1 'a' is here twice; it is already on line 1 = remove one of the two");
    CHECK(Parsed("a:\n\tb: 1\n").first() == "2:1 a tab is used to indent this line = indent with spaces");
    CHECK(Parsed("a: |\n  x\n  \ty\nb: 1\n").first().empty());
    CHECK(Parsed("a: 1\n---\nb: 1\n").first().starts_with("2:1 a second document"));
    CHECK(Parsed("b: &b {c: 1}\na:\n  <<: *b\n").first().starts_with("3:3 merge keys"));
    CHECK(Parsed("a: !!str 5\n").first().starts_with("1:4 tags"));
    CHECK(Parsed("{a: 1}: 2\n").first().starts_with("1:1 a key must be text"));
    CHECK(Parsed("").root->is_null());
}

TEST_CASE("yaml: errors of the grammar are said in words") {
    CHECK(Parsed("a: b: c\n").first() ==
          "1:5 a ':' is not allowed here = text with ': ' in it needs quotes; a new key needs a line of its own");
    CHECK(Parsed("a: [1, 2\n").first().starts_with("1:4 a '[' is not closed"));
    CHECK(Parsed("a: \"x\n").first().starts_with("1:4 a quoted text begins here and is not closed"));
    CHECK(Parsed("a:\n  b: 1\n c: 2\n").first().starts_with("3:2 this line does not fit"));
    CHECK(Parsed("a: *b\n").first().starts_with("1:4 this alias names"));
}

TEST_CASE("yaml: what is not text is refused at its place") {
    CHECK(Parsed("a: \xC3\x28\n").first() == "1:4 byte 0xC3 is not UTF-8 = save the file as UTF-8");
    CHECK(Parsed("a: \xED\xA0\x80\n").first().starts_with("1:4 byte 0xED"));
    CHECK(Parsed(std::string("a: 1\nb: x\0y\n", 12)).first().starts_with("2:5 a control character (0x00)"));
    CHECK(Parsed("\xFF\xFE"
                 "a")
              .first() == "0:0 the file is UTF-16 = save it as UTF-8");
    CHECK(Parsed("\xEF\xBB\xBF"
                 "a: 1\n")
              .root->find("a") != nullptr);
}

TEST_CASE("yaml: hostile files end in a clear error within a second") {
    const auto timed = [](std::string text) {
        const auto start = std::clock(); // processor time: a busy machine must not fail the test
        const Parsed p(std::move(text));
        CHECK(std::clock() - start < 3 * CLOCKS_PER_SEC); // within a second when optimised
        return p.first();
    };
    const auto repeat = [](const std::string& text, int n) {
        std::string all;
        for (int i = 0; i < n; ++i) all += text;
        return all;
    };
    CHECK(timed(std::string(10'000'000, 'a')) ==
          "0:0 the file has 10.0 MB; more than 1.0 MB is not read = split it; data belongs in a file of its own, not in YAML");
    CHECK(timed(repeat("[", 900'000)).find("brackets are nested too deeply") != std::string::npos);
    CHECK(timed(repeat("[", 1'000)).find("nested more than 60 levels") != std::string::npos);
    CHECK(timed(repeat("{a: ", 240'000)).find("brackets are nested too deeply") != std::string::npos);
    CHECK(timed(repeat("- ", 490'000)).find("nested more than 60 levels") != std::string::npos);
    std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
    for (int i = 1; i < 30; ++i) {
        const auto before = std::to_string(i - 1);
        laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + repeat("*a" + before + ", ", 9) + "]\n";
    }
    CHECK(timed(laughs).find("aliases written out") != std::string::npos);
    CHECK(timed("a: &a [*a]\n").find("inside the value that it names") != std::string::npos);
    CHECK(timed(repeat("{a\n", 240'000)).find("brackets are nested too deeply") != std::string::npos);
    CHECK(timed("a: [" + repeat("x,", 450'000) + "]").find("more than 200000 values") != std::string::npos);
}

TEST_CASE("diagnostics: the text shows the line and a caret, the JSON has the fixed members") {
    const SourceText source("f.yaml", "tasks:\n  é: {exract: a.b}\n");
    Diagnostics d(source);
    d.error({2, 8, 6}, "'exract' is no key of a task", "did you mean 'extract'?");
    const auto all = d.sorted();
    CHECK(to_text(all[0]) == "f.yaml:2:7: error: 'exract' is no key of a task\n"
                             "     2 |   é: {exract: a.b}\n"
                             "       |       ^~~~~~\n"
                             "       = did you mean 'extract'?\n");
    CHECK(Json(all[0]) == Json{{"file", "f.yaml"},
                               {"line", 2},
                               {"column", 7},
                               {"end", 13},
                               {"severity", "error"},
                               {"message", "'exract' is no key of a task"},
                               {"hint", "did you mean 'extract'?"}});
}

TEST_CASE("diagnostics: a document is read back, and told in one line") {
    const Diagnostic mistake{"f.yaml", 2, 7, 13, Severity::Error, "'exract' is no key of a task", "did you mean 'extract'?", ""};
    CHECK(to_line(Json(mistake).get<Diagnostic>()) == "f.yaml:2:7: error: 'exract' is no key of a task; did you mean 'extract'?");
    CHECK(Json(Json(mistake).get<Diagnostic>()) == Json(mistake));
    const Diagnostic warning{"f.yaml", 0, 0, 0, Severity::Warning, "it waits", "", ""};
    CHECK(to_line(Json(warning).get<Diagnostic>()) == "f.yaml: warning: it waits");
}

TEST_CASE("what is wrong with a line as a whole has no caret") {
    Diagnostic d{"f.yaml", 2, 0, 0, Severity::Warning, "it waits", "set A", "  a: b"};
    CHECK(to_text(d) == "f.yaml:2: warning: it waits\n     2 |   a: b\n       = set A\n");
    d.source_line.clear();
    CHECK(to_text(d) == "f.yaml:2: warning: it waits\n       = set A\n");
}
