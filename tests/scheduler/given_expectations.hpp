/// Expectations that several tests have of a flow.
#pragma once

#include "scheduler/expectations.hpp"

namespace millrace::test {

inline Expectations starts_within(double seconds) {
    Expectations e;
    e.start_within = seconds;
    return e;
}

} // namespace millrace::test
