#include "flows/error.hpp"
#include "flows/nearest.hpp"
#include "flows/substitute.hpp"

#include <catch2/catch.hpp>

using namespace millrace;

namespace {

Scope scope() {
    RunContext context;
    context.run_id = 42;
    context.run_at = "2026-11-20T06:00:00Z";
    context.timezone = "America/Sao_Paulo";
    context.params = {{"page_size", 50}, {"day", "2026-11-20"}, {"all", true}, {"tags", {"a", "b"}}, {"none", nullptr}};
    context.interval_start = "2026-11-19T03:00:00Z";
    context.interval_end = "2026-11-20T03:00:00Z";
    context.chunk_number = 2;
    Scope s(context);
    s.set("item", {{"id", "64ab"}, {"owner", {{"name", "Ana"}}}});
    return s;
}

std::string remedy_of(const std::string& text) {
    try {
        (void)substitute_text(text, scope());
    } catch (const Error& e) {
        return e.remedy;
    }
    return "no error";
}

} // namespace

TEST_CASE("substitution: a whole-value reference keeps its type") {
    CHECK(substitute_text("${page_size}", scope()) == Json(50));
    CHECK(substitute_text("${all}", scope()) == Json(true));
    CHECK(substitute_text("${tags}", scope()) == Json({"a", "b"}));
    CHECK(substitute_text("${none}", scope()).is_null());
}

TEST_CASE("substitution: inside text every value is written out") {
    CHECK(substitute_text("/x/${item.id}?n=${page_size}&all=${all}", scope()) == "/x/64ab?n=50&all=true");
    CHECK(substitute_text("run ${run.id}, chunk ${ chunk.number }", scope()) == "run 42, chunk 2");
    CHECK(substitute_text("${item.owner.name}", scope()) == "Ana");
    CHECK(substitute_text("plain $text {}", scope()) == "plain $text {}");
}

TEST_CASE("substitution: times take a format in the flow's zone, or in UTC when the format says Z") {
    CHECK(substitute_text("${interval.start:%Y-%m-%d}", scope()) == "2026-11-19");
    CHECK(substitute_text("${interval.start:%Y-%m-%dT%H:%M:%S}", scope()) == "2026-11-19T00:00:00");
    CHECK(substitute_text("${interval.start:%Y-%m-%dT%H:%M:%S.000Z}", scope()) == "2026-11-19T03:00:00.000Z");
    CHECK(substitute_text("${interval.start:%FT%T%Ez}", scope()) == "2026-11-19T00:00:00-03:00");
    CHECK(substitute_text("${day:%d/%m/%Y}", scope()) == "20/11/2026");
    CHECK_THROWS_WITH(substitute_text("${page_size:%Y}", scope()), Catch::Contains("only a time can have a format"));
}

TEST_CASE("substitution: two dollars are a literal") {
    CHECK(substitute_text("$${not.me} ${page_size}", scope()) == "${not.me} 50");
    CHECK(references("$${a} ${b:%Y} c").size() == 1);
    CHECK(references("$${a} ${b:%Y} c")[0].name == "b");
    CHECK(references("$${a} ${b:%Y} c")[0].offset == 6);
    CHECK(references("$${a} ${b:%Y} c")[0].length == 7);
}

TEST_CASE("substitution: a missing name is an error with the nearest one") {
    CHECK_THROWS_WITH(substitute_text("${page_sise}", scope()), Catch::Contains("there is no 'page_sise' here"));
    CHECK(remedy_of("${page_sise}") == "did you mean ${page_size}?");
    CHECK(remedy_of("${item.idd}") == "did you mean ${item.id}?");
    CHECK_THROWS_WITH(substitute_text("x ${none}", scope()), Catch::Contains("null"));
    CHECK_THROWS_WITH(substitute_text("x ${tags}", scope()), Catch::Contains("a list"));
    CHECK_THROWS_AS(substitute_text("${open", scope()), Error);
    CHECK_THROWS_AS(references("${open"), std::invalid_argument);
}

TEST_CASE("substitution: a flow without an interval says so") {
    RunContext context;
    CHECK_THROWS_WITH(substitute_text("${interval.start}", Scope(context)), Catch::Contains("no interval"));
}

TEST_CASE("substitution reaches every string of a value and nothing else") {
    const Json value{{"a", {1, "${page_size}", {{"b", "n${page_size}"}}}}, {"c", nullptr}};
    CHECK(substitute(value, scope()) == Json{{"a", {1, 50, {{"b", "n50"}}}}, {"c", nullptr}});
}

TEST_CASE("variables of the environment are filled in as literals, and only they") {
    const auto variable = [](const std::string& name) { return name == "HOST" ? std::optional<std::string>("a${b}") : std::nullopt; };
    CHECK(with_environment({{"with", {"${env.HOST}/${item.x}", 5}}}, variable) == Json{{"with", {"a$${b}/${item.x}", 5}}});
    CHECK(with_environment("$${env.HOST} ${env", variable) == "$${env.HOST} ${env");
    CHECK(with_environment("$${env.HOST}", variable) == "$${env.HOST}");
    CHECK_THROWS_WITH(with_environment("${env.PORT}", variable), Catch::Contains("the daemon has no variable PORT"));
}

TEST_CASE("nearest names") {
    const std::vector<std::string> names{"extract", "transform", "load", "needs", "timeout"};
    CHECK(nearest("exract", names) == "extract");
    CHECK(nearest("Load", names) == "load");
    CHECK(nearest("tranfsorm", names) == "transform");
    CHECK(nearest("time", names) == "timeout");
    CHECK(nearest("timeout_s", names) == "timeout");
    CHECK(nearest("load_everything", names).empty());
    CHECK(nearest("zzz", names).empty());
    CHECK(nearest("", names).empty());
    CHECK(our_word_for("depends_on", names) == "needs");
    CHECK(our_word_for("primary_key", names).empty());
}
