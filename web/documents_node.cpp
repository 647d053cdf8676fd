// Documents about nodes, their settings and what holds them up.
#include "web/document_tables.hpp"

#include <array>

namespace millrace {

namespace {

constexpr Member node[] = {
    {"id", "string", ""},
    {"alive", "boolean", "its lease has not run out"},
    {"lease_until", "time?", ""},
    {"started_at", "time?", ""},
    {"version", "string", ""},
    {"pid", "integer", ""},
    {"clock_ahead_seconds", "integer", "what its wall clock shows more than the store's, when they were compared last"},
    {"runs", "integer", "live runs that it holds"},
};
constexpr Member doctor[] = {
    {"version", "string", ""},
    {"node", "object", ""},
    {"store", "object", ""},
    {"hosts", "any", ""},
    {"journal", "object", ""},
    {"figures", "object", "as /metrics shows them"},
    {"flows", "integer", "deployed"},
    {"schedules", "integer", ""},
    {"settings", "Settings", ""},
    {"attention", "object", "by flow: what is not as its `expect` says"},
    {"history", "object", "its size and age, what retention did, free space"},
    {"journal_away", "string", "why nothing is recorded now; empty: nothing keeps the node from it"},
    {"clock_wrong", "string", "why schedules rest on this node while others fire; empty: its clock is right"},
    {"staging_lost", "string", "why the staging folder is not the one that the nodes share; empty: it is"},
    {"limits_of_others", "LimitOfOthers[]", "in force since other nodes have them, and not as this node's millrace.yaml says"},
    {"held_schedules", "HeldSchedule[]", "that are paused after failures"},
    {"zones_missing", "MissingZone[]", "that schedules are in, and this node does not know"},
    {"queues", "Queue[]", "of flows whose runs queue up, where more came lately than ended"},
    {"events", "NodeEvent[]", "that belong to no run, of seven days, newest first; at most five of one kind of one flow"},
};
constexpr Member held_schedule[] = {
    {"flow", "string", ""},
    {"number", "integer", "of the schedule"},
    {"failures", "integer", "in a row"},
};
constexpr Member missing_zone[] = {
    {"zone", "string", ""},
    {"flows", "string[]", "whose schedules rest here"},
};
constexpr Member limit_of_others[] = {
    {"key", "string", ""},
    {"slots", "integer", "in force"},
    {"written", "integer?", "in this node's millrace.yaml"},
};
constexpr Member node_event[] = {
    {"id", "integer", ""},
    {"at", "time", ""},
    {"flow", "string?", "null: it is about the node or the store"},
    {"kind", "string", "such as missed, not_fired, zone_missing, clock_jumped, disk_full or retention"},
    {"message", "string", ""},
    {"details", "object", "by kind"},
};
constexpr Member queue[] = {
    {"flow", "string", ""},
    {"waiting", "integer", "runs that have not begun"},
    {"first", "integer", "the run that waits longest"},
    {"since", "time", "it waits"},
    {"came", "integer", "in the later half of the time since then"},
    {"ended", "integer", "likewise"},
};
constexpr Member settings[] = {
    {"file", "string?", "the daemon's millrace.yaml; null: it has none"},
    {"hash", "string", "of the file as the daemon took it, SHA-256"},
    {"state", "string", "its state folder"},
    {"url", "string", "of API and dashboard"},
    {"pid", "integer", ""},
    {"needs_restart", "string[]", "what the file said otherwise then, and only a restart can change"},
    {"missing", "MissingVariable[]", "what connections lack that millrace.yaml declares or deployed flows use"},
};
constexpr Member missing_variable[] = {
    {"connection", "string", ""},
    {"variable", "string", "empty: several, or none"},
    {"message", "string", "with the place in the file"},
    {"remedy", "string", ""},
    {"unread", "boolean?", "it is set, and nothing reads it"},
    {"flows", "string[]?", "deployed ones that use it, where millrace.yaml does not declare it; else left out"},
};
constexpr Member limit[] = {
    {"key", "string", ""},
    {"kind", "string", "slots, or rate: of a credential that a source counts the requests of, over all nodes"},
    {"slots", "integer=", "of slots, like `held` and `waiting`"},
    {"held", "any=", "[{run_id, task, item, since}]; task null: the run as a whole"},
    {"waiting", "any=", "[{run_id, flow, task, item}], 1000 of all limits at most; task null: the run as a whole"},
    {"connection", "string=", "of a rate, like what follows"},
    {"rate", "number?=", "requests a second; null: no limit"},
    {"in_use", "number=", "requests a second, lately"},
    {"paused_until", "time?=", "the service has said so"},
    {"quota_limit", "integer?=", "as the service says, like what follows; null: it does not"},
    {"quota_left", "integer?=", ""},
    {"quota_reset_at", "time?=", ""},
};
constexpr Member health[] = {
    {"status", "string", "ok"},
    {"version", "string", ""},
};
constexpr Member readiness[] = {
    {"ready", "boolean", ""},
    {"store_reachable", "boolean", ""},
    {"journal_alive", "boolean", ""},
};

constexpr std::array all{
    Document{"Limit", limit},
    Document{"Node", node},
    Document{"Doctor", doctor},
    Document{"HeldSchedule", held_schedule},
    Document{"MissingZone", missing_zone},
    Document{"LimitOfOthers", limit_of_others},
    Document{"Queue", queue},
    Document{"NodeEvent", node_event},
    Document{"Settings", settings},
    Document{"MissingVariable", missing_variable},
    Document{"Health", health},
    Document{"Readiness", readiness},
};

} // namespace

std::span<const Document> node_documents() { return all; }

} // namespace millrace
