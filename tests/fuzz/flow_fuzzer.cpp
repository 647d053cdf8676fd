/// Any bytes as a flow file end in a plan or in diagnostics, never in a crash or an exception. replay.cpp is the short form,
/// libFuzzer the long one:
///     clang++-14 -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize=function -D_GLIBCXX_ASSERTIONS
///       -DHAS_STRING_VIEW=1 -DONLY_C_LOCALE=1 -DUSE_OS_TZDB=1 -I. tests/fuzz/flow_fuzzer.cpp $(find flows -name '*.cpp')
///       -lyaml-cpp -ldate-tz -lfmt -lcrypto -o flow_fuzzer && ./flow_fuzzer -timeout=10 tests/flows/broken
#include "flows/compile.hpp"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace millrace;
    static const Project project = default_project();
    static const Sources sources;
    const auto result = compile({{"fuzz.yaml", std::string(reinterpret_cast<const char*>(data), size)}}, project, sources);
    if (result.flows.empty() && !has_errors(result.diagnostics)) std::abort(); // refused without a word
    for (const auto& diagnostic : result.diagnostics) (void)to_text(diagnostic);
    return 0;
}
