/// How often what goes wrong. All of it comes from the world's seed.
#pragma once

#include <stdexcept>
#include <string>

namespace millrace::test {

struct Faults {
    double host_fails = 0.1, host_dies = 0.05, host_hangs = 0.02; ///< of attempts
    double poison = 0;                                            ///< of failed attempts: the store will never take what they say
    double node_dies = 0, node_freezes = 0;                       ///< at each event
    double store_away = 0;                                        ///< at each event; for up to 25 s, the lease is 9
    double commit_fails = 0;                                      ///< of transactions: broken before they are done
    double commit_serialises = 0;                                 ///< refused by the store, to be tried again
    double answer_lost = 0;                                       ///< done, and the connection breaks before the answer
    double commit_late = 0;                                       ///< the connection breaks, and it is done after that
    double commit_slow = 0;                                       ///< up to 3 s on the way
    double store_forgets = 0;                                     ///< at each event: a fail-over, or older files; up to 20 s are lost
    double clock_jumps = 0;                                       ///< at each event: a node's wall clock is set
    double longest_jump = 1200;                                   ///< s, either way
    double person_pauses = 0;                                     ///< a run, every 5 s; it is resumed after a while
    double seconds = 300;                                         ///< after which nothing of nodes and store fails any more
    double slower = 1;                                            ///< leases and heartbeats take so much longer: a year has many
};

[[noreturn]] inline void broken(const std::string& what) { throw std::logic_error("broken invariant: " + what); }

} // namespace millrace::test
