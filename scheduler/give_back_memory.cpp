#include "scheduler/give_back_memory.hpp"

#include <cstddef>

#include <malloc.h>

namespace millrace {

void give_back_memory() {
    constexpr std::size_t much = 32UL << 20;
    if (::mallinfo2().fordblks > much) ::malloc_trim(1 << 20);
}

} // namespace millrace
