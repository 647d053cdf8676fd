#include "flows/column_type.hpp"
#include "flows/type_names.hpp"

#include <catch2/catch.hpp>

using namespace millrace;

TEST_CASE("types are told in the words of the reference, which contracts take") {
    for (const char* word : {"text",           "bool",         "tinyint",
                             "smallint",       "int",          "bigint",
                             "hugeint",        "decimal(9,4)", "float",
                             "double",         "date",         "time",
                             "timestamp",      "timestamptz",  "uuid",
                             "blob",           "json",         "struct(a int, b text)",
                             "map(text, int)", "int[]",        "struct(userId text, rate struct(amount bigint, \"of day\" date[]))[3]"})
        CHECK(type_words(canonical_type(word)) == word);
}

TEST_CASE("a type as DuckDB spells it keeps the names of members and what has no word of ours") {
    CHECK(type_words(R"(STRUCT("id" INTEGER, "Name" VARCHAR, "two words" BOOLEAN))") == R"(struct(id int, Name text, "two words" bool))");
    CHECK(type_words(R"(STRUCT("date" DATE, "text" VARCHAR[]))") == "struct(date date, text text[])");
    CHECK(type_words("STRUCT(VARCHAR DOUBLE)") == "struct(VARCHAR double)");
    CHECK(type_words("TIME WITH TIME ZONE[]") == "timetz[]");
    CHECK(type_words("ENUM('INTEGER', 'b')") == "enum('INTEGER', 'b')");
    CHECK(type_words("BIT") == "bit");
    CHECK(type_words("varchar") == "text");
    CHECK(type_words("INTEGER_LITERAL") == "int");
    CHECK(type_words("") == "");
}

TEST_CASE("a long type is cut for a message") {
    CHECK(shown_type("STRUCT(a INTEGER)") == "struct(a int)");
    CHECK(shown_type("STRUCT(userId VARCHAR, hourlyRate STRUCT(amount BIGINT))") == "struct(userId text, hourlyRate struct...");
}

TEST_CASE("what DuckDB says of types in a sentence is told in the same words") {
    CHECK(with_type_words("No function matches 'f(VARCHAR, STRING_LITERAL, DECIMAL(9,2), TIMESTAMP WITH TIME ZONE)'") ==
          "No function matches 'f(text, text, decimal(9,2), timestamptz)'");
    CHECK(with_type_words("lower(STRUCT(aDATE INTEGER, DATE2 BIGINT))") == "lower(STRUCT(aDATE int, DATE2 bigint))");
    CHECK(with_type_words("WHERE is no type, nor is my_INT") == "WHERE is no type, nor is my_INT");
}

TEST_CASE("a struct is told so that a contract takes it back, whatever its members are called") {
    for (const char* type : {R"(STRUCT("start" DATE, "end" TIMESTAMP WITH TIME ZONE))", R"(STRUCT("1a" INTEGER, "" BIGINT, "a""b" TIME))",
                             R"(STRUCT("Select" STRUCT("struct" VARCHAR[]), "with" DECIMAL(9,2))[2])"})
        CHECK(canonical_type(type_words(type)) == type);
    CHECK(canonical_type("struct(end int)") == R"(STRUCT("end" INTEGER))");
    const auto column = parse_column("client", "text references clients(\"Client \"\"Id\")");
    CHECK(column.references_task == "clients");
    CHECK(column.references_column == "Client \"Id");
}
