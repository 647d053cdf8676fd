// The one translation unit with Catch2's main; it takes 8 s to compile, so it is a library of its own.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
