/// Values of the API's documents as people read them.
#pragma once

#include "daemon/cli/text_table.hpp"
#include "flows/counted.hpp"
#include "flows/json.hpp"
#include "flows/time.hpp"

#include <string>

namespace millrace {

/// A member as text: empty where it is absent or null, numbers and other values as JSON writes them.
[[nodiscard]] std::string text_of(const Json& document, const char* member);
[[nodiscard]] std::int64_t number_of(const Json& document, const char* member);
/// The member where it is a list, else an empty list.
[[nodiscard]] Json list_of(const Json& document, const char* member);

/// "0.4 s", "38 s", "4 min 12 s", "3 h 05 min".
[[nodiscard]] std::string duration_text(double seconds);
/// An RFC 3339 text in the zone of this machine, "2026-11-21 06:00:00"; empty for an empty text.
[[nodiscard]] std::string local_time_text(const std::string& rfc3339);
/// The same in a zone.
[[nodiscard]] std::string time_text_in(const std::string& zone, const std::string& rfc3339);
/// The zone of those local times, as people name it: "UTC", "Europe/Berlin".
[[nodiscard]] std::string local_zone_text();
/// The title of a column of such times: "created (UTC)".
[[nodiscard]] std::string local_title(const std::string& title);
/// "name  description", or only the name.
[[nodiscard]] std::string heading_text(const std::string& name, const std::string& description);
/// The flow that `member` names: "clockify_users (demo)" where it came with Millrace.
[[nodiscard]] std::string flow_text(const Json& document, const char* member);
/// What a connection lacks, and the flows that wait for it: of `missing` of the daemon's settings.
[[nodiscard]] std::string lack_text(const Json& lack);
/// "task[item]" of a mapped task run, else the task's name.
[[nodiscard]] std::string task_run_name(const Json& task_run);
/// "chunk 2 of 5" of a run that is one; empty for others.
[[nodiscard]] std::string chunk_text(const Json& run);

/// "in chunks 25-28", the numbers of its chunks; empty where it has none.
[[nodiscard]] std::string chunk_runs_text(const Json& run);
/// What is not as a flow expects, of `attention` of its document: "hours is late: run 12 was due at ...".
[[nodiscard]] std::string attention_text(const std::string& flow, const Json& attention);
/// How a schedule that is paused is called: "paused (file)" where its flow's file says so, "paused (3 failures)" after
/// those, else "paused", by somebody.
[[nodiscard]] std::string paused_text(const Json& schedule);
/// Why a schedule starts nothing: "paused" as above, else its message; empty: it does.
[[nodiscard]] std::string rest_text(const Json& schedule);
/// When a flow's document says that it starts next, in the zone of the schedule that is due first; why it rests as above, or "-"
/// for never.
[[nodiscard]] std::string next_start_text(const Json& flow);
/// From `started_at` to `finished_at`, or to `now`; empty when it has not begun.
[[nodiscard]] std::string elapsed_text(const Json& run_or_task, Instant now);
/// The narrower name of the state in words, "waiting for slot"; empty when it says no more than the state does.
[[nodiscard]] std::string state_name_text(const Json& run_or_task);
/// The state with its narrower name: "pending (waiting for slot)".
[[nodiscard]] std::string state_text(const Json& run_or_task);
/// What the answer to a trigger says: "hours run 7 pending", or that there is no new run.
[[nodiscard]] std::string trigger_text(const Json& run);
/// Who started it: "api"; of a schedule whose time had passed by a minute or more also what that was: "schedule of 11-29 07:00".
[[nodiscard]] std::string trigger_of(const Json& run);
/// What of a run did not complete although the run did: ", 1 failed (continued), 2 skipped"; empty for nothing.
[[nodiscard]] std::string exceptions_text(const Json& run);
/// The state of a run, of one that completed with what in it did not: "completed, 1 failed (continued), 2 skipped"; with whether it
/// is a trial: "completed (trial)".
[[nodiscard]] std::string outcome_text(const Json& run);
/// Of `runs`, newest first and at least one: the newest that is more than one of the queue behind a run that is under way.
[[nodiscard]] Json last_begun_run(const Json& runs);
/// Green only where all of it is well.
[[nodiscard]] Paint paint_of_run(const Json& run);
/// Why it is in its state; empty where the message only repeats the state or its name.
[[nodiscard]] std::string message_text(const Json& run_or_task);

/// The same in one line for lists: whole on no account, else a list is unreadable where its lines have any length.
[[nodiscard]] std::string cause_text(const Json& run);
/// The interval of a run as its flow means it: "2026-11-02 to 2026-11-09" for midnights of its zone, else with times of day
/// and the zone; empty where it has none. The end is exclusive.
[[nodiscard]] std::string interval_text(const Json& run);

/// The parameters of a run as JSON, in one line. Of a value that is long only its beginning is shown, with how long it is: "... (900 kB)".
[[nodiscard]] std::string params_text(const Json& params);

/// What loads did: table, inserted, updated, unchanged, deleted, rejected, seconds. Those of several chunks of one
/// table are added up.
[[nodiscard]] TextTable loads_table(const Json& loads);

[[nodiscard]] Instant now();

} // namespace millrace
