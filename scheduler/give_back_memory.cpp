#include "scheduler/give_back_memory.hpp"

#include <cstddef>

#include <malloc.h>

namespace millrace {

/// Fastbins are joined in one go by whoever next frees a large piece: milliseconds of the loop after a run of 100,000 task runs.
/// mallopt(3)
void free_bit_by_bit() { (void)::mallopt(M_MXFAST, 0); }

void give_back_memory() {
    constexpr std::size_t much = 32UL << 20;
    if (::mallinfo2().fordblks > much) ::malloc_trim(1 << 20);
}

} // namespace millrace
