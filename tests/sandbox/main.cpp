

#include <cstdio>

int main() {
    std::printf("sandbox\n");
    return 0;
}
