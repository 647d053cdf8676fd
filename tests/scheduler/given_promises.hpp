/// What the tests of promises ask of a life and tell it.
#pragma once

#include "life.hpp"

namespace millrace::test {

inline Texts states(Life& life, const std::string& flow = "f") {
    Texts out;
    for (const auto& run : life.runs(flow)) out.push_back(run.at("state").get<std::string>());
    return out;
}

inline AttemptDone completed() {
    AttemptDone done;
    done.outcome = "completed";
    return done;
}

} // namespace millrace::test
