#pragma once

namespace millrace {

/// Gives memory that was freed back to the system where it is much: the allocator keeps what a peak needed, for good where pieces that
/// are in use lie between. Takes some milliseconds, in which other threads may wait for memory. Any thread.
void give_back_memory();
/// What is freed is joined with its neighbours at once. To be called once, before much is allocated.
void free_bit_by_bit();

} // namespace millrace
