/// How a test says that it cannot run here: it prints `SKIPPED: <test>: <reason>`, ends, and ctest reports it as skipped.
/// A test never passes silently for want of something.
#pragma once

#include <catch2/catch.hpp>

#include <cstdlib>
#include <iostream>
#include <string>

namespace millrace::test {

/// Ends the current test case.
[[noreturn]] inline void skip(const std::string& reason) {
    std::cout << "SKIPPED: " << Catch::getResultCapture().getCurrentTestName() << ": " << reason << std::endl;
    throw Catch::TestFailureException(); // leaves the test case; no assertion has failed
}

/// The value of an environment variable without which the test cannot run.
[[nodiscard]] inline std::string require_environment(const char* name) {
    const char* value = std::getenv(name);
    if (!value || !*value) skip(std::string(name) + " is not set");
    return value;
}

/// A libpq URL whose role may create databases; tests/run starts that server.
[[nodiscard]] inline std::string require_database() { return require_environment("MILLRACE_TEST_DATABASE"); }

} // namespace millrace::test
