#include "flows/version.hpp"

#include <cstdio>

int main() {
    std::printf("millrace-host %s\n", millrace::version);
    return 0;
}
