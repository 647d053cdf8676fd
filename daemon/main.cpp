#include "flows/version.hpp"

#include <cstdio>

int main() {
    std::printf("millrace %s\n", millrace::version);
    return 0;
}
