#include "daemon/cli/run_view.hpp"

#include "daemon/cli/format.hpp"
#include "flows/error.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace millrace {
namespace {

constexpr std::size_t most_failures = 20;                ///< told in full
constexpr std::size_t most_lines = 40;                   ///< of a run with thousands of task runs, those that move
constexpr auto between_lines = std::chrono::seconds(10); ///< about one task run that goes on, away from a terminal

const char* mark_of(std::string_view state) {
    if (state == "completed") return "✓";
    if (state == "failed" || state == "crashed") return "✗";
    if (state == "cancelled" || state == "skipped") return "–";
    if (state == "running" || state == "retrying" || state == "cancelling") return "●";
    return "·";
}

bool is_over(std::string_view state) {
    return state == "completed" || state == "failed" || state == "crashed" || state == "cancelled" || state == "skipped";
}

bool has_error(const Json& task) {
    const auto error = task.find("error");
    return error != task.end() && error->is_object();
}

std::string joined(const std::vector<std::string>& parts) {
    std::string text;
    for (const auto& part : parts)
        if (!part.empty()) text += (text.empty() ? "" : ", ") + part;
    return text;
}

/// Nothing is not worth a word.
std::string counted_if_any(std::int64_t count, const char* what) { return count == 0 ? "" : counted(count, what); }

std::string progress_text(const Json& progress) {
    const auto total = number_of(progress, "records_total"), records = number_of(progress, "records");
    const auto slices = number_of(progress, "slices_total");
    return joined({text_of(progress, "step"), counted_if_any(number_of(progress, "requests"), "request"),
                   total > 0 ? fmt::format("{} of {} records", count_text(records), count_text(total)) : counted_if_any(records, "record"),
                   slices > 1 ? fmt::format("slice {} of {}", number_of(progress, "slices_done"), slices) : ""});
}

/// "; attempt 2 begins at 06:00:04"
std::string next_attempt_text(const Json& task_run) {
    const auto time = local_time_text(text_of(task_run, "due_at"));
    return fmt::format("; attempt {} begins{}", number_of(task_run, "attempts") + 1, time.size() > 11 ? " at " + time.substr(11) : "");
}

std::string load_text(const Json& loads) {
    std::int64_t sums[5] = {};
    constexpr const char* members[] = {"inserted", "updated", "unchanged", "deleted", "rejected"};
    for (const auto& load : loads)
        for (int i = 0; i < 5; ++i) sums[i] += number_of(load, members[i]);
    std::vector<std::string> parts;
    for (int i = 0; i < 5; ++i)
        if (sums[i] > 0) parts.push_back(fmt::format("{} {}", count_text(sums[i]), members[i]));
    return parts.empty() ? "no rows" : joined(parts);
}

/// A run for the one before it: that changes seldom.
bool is_in_line(const Json& run) { return text_of(run, "state_name") == "Queued"; }

bool waits_for_others(std::string_view state_name) {
    return state_name == "Queued" || state_name == "Late" || state_name.starts_with("WaitingFor");
}

/// ", attempt 2" of what is tried again; who looks now and then may have missed the end of the one before.
std::string attempt_text(const Json& task_run) {
    const auto state = text_of(task_run, "state");
    const auto attempts = state == "running" || state == "retrying" ? number_of(task_run, "attempts") : 0;
    return attempts > 1 ? fmt::format(", attempt {}", attempts) : "";
}

struct Line {
    std::string state, indent, name, about, time;
};

/// The task runs worth a line: all of few, of many those that are at work or failed.
std::vector<Line> task_lines(const Json& whole, const Json& run, const std::string& indent, Instant now) {
    const auto tasks = list_of(run, "tasks");
    std::vector<Line> lines;
    auto hidden = static_cast<std::size_t>(number_of(run.value("left_out", Json::object()), "tasks"));
    for (const auto& task : tasks) {
        const auto state = text_of(task, "state");
        const bool moves = state == "running" || state == "retrying" || state == "failed" || state == "crashed";
        if (tasks.size() > most_lines && (!moves || lines.size() >= most_lines)) {
            ++hidden;
            continue;
        }
        const auto detail = outcome_tells(whole, task) ? "" : task_detail(run, task);
        lines.push_back({state, indent, task_run_name(task), detail.empty() ? state_name_text(task) : detail, elapsed_text(task, now)});
    }
    if (hidden > 0) lines.push_back({"", indent, fmt::format("and {} more", count_text(static_cast<std::int64_t>(hidden))), "", ""});
    return lines;
}

std::vector<Line> lines_of(const Json& run, Instant now) {
    std::vector<Line> lines;
    const auto chunks = list_of(run, "chunks");
    lines.push_back({text_of(run, "state"), "", text_of(run, "flow"),
                     fmt::format("run {}  {}", text_of(run, "id"),
                                 joined({outcome_text(run), is_over(text_of(run, "state")) ? "" : message_text(run), interval_text(run)})),
                     elapsed_text(run, now)});
    if (chunks.empty()) {
        auto tasks = task_lines(run, run, "  ", now);
        std::move(tasks.begin(), tasks.end(), std::back_inserter(lines));
        return lines;
    }
    std::size_t hidden = 0;
    for (const auto& chunk : chunks) {
        const auto state = text_of(chunk, "state");
        if (chunks.size() > most_lines && (state == "completed" || lines.size() > 2 * most_lines)) { // of many those that are no routine
            ++hidden;
            continue;
        }
        lines.push_back({state, "  ", chunk_text(chunk), is_over(state) ? load_text(list_of(chunk, "loads")) : state_text(chunk),
                         elapsed_text(chunk, now)});
        if (is_over(state) && state != "failed") continue;
        auto tasks = task_lines(run, chunk, "    ", now);
        std::move(tasks.begin(), tasks.end(), std::back_inserter(lines));
    }
    if (hidden > 0) lines.push_back({"", "  ", fmt::format("and {} more", count_text(static_cast<std::int64_t>(hidden))), "", ""});
    return lines;
}

/// What failed in a run and in its chunks, with the run that it belongs to.
using FailedTasks = std::vector<std::pair<const Json*, const Json*>>;

FailedTasks failed_tasks(const Json& run) {
    FailedTasks out;
    if (const auto tasks = run.find("tasks"); tasks != run.end() && tasks->is_array())
        for (const auto& task : *tasks)
            if (has_error(task) && text_of(task, "state") != "completed") out.emplace_back(&run, &task);
    if (const auto chunks = run.find("chunks"); chunks != run.end() && chunks->is_array())
        for (const auto& chunk : *chunks)
            for (const auto& more : failed_tasks(chunk)) out.push_back(more);
    return out;
}

/// The run fails with it: it says so itself, and of an item the whole task did not complete.
bool is_a_reason(const std::pair<const Json*, const Json*>& failed) {
    const auto& [run, task] = failed;
    if (text_of(*task, "on_failure") == "continue") return false;
    if (text_of(*task, "item").empty()) return true;
    const auto tasks = list_of(*run, "tasks");
    return std::none_of(tasks.begin(), tasks.end(), [task = task](const Json& whole) {
        return text_of(whole, "item").empty() && text_of(whole, "task") == text_of(*task, "task") && text_of(whole, "state") == "completed";
    });
}

/// Repeating what failed cannot help.
bool needs_new_run(const FailedTasks& failed) {
    return std::any_of(failed.begin(), failed.end(),
                       [](const auto& f) { return text_of(f.second->at("error"), "remedy").starts_with(new_run_remedy); });
}

/// Task runs that failed and were not fetched.
std::int64_t failed_left_out(const Json& run) {
    auto count = number_of(run.value("left_out", Json::object()), "failed");
    for (const auto& chunk : list_of(run, "chunks")) count += failed_left_out(chunk);
    return count;
}

void write_failed_tasks(std::ostream& out, const Json& run, const FailedTasks& failed, std::int64_t unknown, const std::string& indent) {
    for (std::size_t i = 0; i < failed.size() && i < most_failures; ++i) {
        const auto& [of, task] = failed[i];
        const auto& error = task->at("error");
        out << indent << task_run_name(*task) << (of == &run ? "" : fmt::format(" in {}, run {}", chunk_text(*of), text_of(*of, "id")))
            << " (" << text_of(error, "class") << "): " << printable(text_of(error, "message")) << '\n';
        if (const auto remedy = text_of(error, "remedy"); !remedy.empty()) out << indent << "remedy: " << printable(remedy) << '\n';
    }
    const auto more = unknown + static_cast<std::int64_t>(failed.size() - std::min(failed.size(), most_failures));
    if (more > 0) out << indent << fmt::format("and {} more, as the dashboard and --json show\n", count_text(more));
}

/// "chunk 4 of 4 was not begun": chunks run one after the other, and a run that ends early has none of the later ones.
std::string not_begun_text(const Json& run) {
    std::int64_t last = 0, all = 0;
    for (const auto& chunk : list_of(run, "chunks")) {
        const auto place = chunk.value("chunk", Json::object());
        last = std::max(last, number_of(place, "number"));
        all = std::max(all, number_of(place, "of"));
    }
    if (last == all) return "";
    return last + 1 == all ? fmt::format("chunk {} of {} was not begun", all, all)
                           : fmt::format("chunks {} to {} of {} were not begun", last + 1, all, all);
}

/// By its flow's `timeout`: what its tasks say is not why it failed.
bool is_timed_out(const Json& run) { return text_of(run, "state_name") == "TimedOut"; }

void write_timed_out_chunks(std::ostream& out, const Json& run) {
    for (const auto& chunk : list_of(run, "chunks"))
        if (is_timed_out(chunk))
            out << fmt::format("  {}, run {}: {}\n", chunk_text(chunk), text_of(chunk, "id"), printable(message_text(chunk)));
}

/// Nothing for a run that did what it should.
void write_failure(std::ostream& out, const Terminal& terminal, const Json& run) {
    const auto state = text_of(run, "state"), id = text_of(run, "id");
    if (state == "completed" || state == "skipped" || !is_over(state)) return;
    out << '\n' << terminal.painted(fmt::format("{} run {} {}", text_of(run, "flow"), id, state_text(run)), paint_of(state));
    auto failed = failed_tasks(run);
    // the message of a run that a task made fail is that task's
    const bool has_own_reason = failed.empty() || state == "cancelled" || is_timed_out(run);
    if (const auto message = message_text(run); !message.empty() && has_own_reason) out << ": " << printable(message);
    out << '\n';
    if (!has_own_reason) write_timed_out_chunks(out, run);
    const auto others = std::stable_partition(failed.begin(), failed.end(), is_a_reason);
    write_failed_tasks(out, run, {failed.begin(), others}, failed_left_out(run), "  ");
    if (others != failed.end()) {
        out << "  failed too, as it may:\n";
        write_failed_tasks(out, run, {others, failed.end()}, 0, "    ");
    }
    if (const auto rest = not_begun_text(run); !rest.empty()) out << "  " << rest << '\n';
    if (state == "cancelled") return;
    const auto again = fmt::format("{}: millrace runs rerun {}{}", needs_new_run(failed) ? "from the start" : "again from there", id,
                                   needs_new_run(failed) ? "" : " --failed");
    out << "  log: millrace runs logs " << id << "   " << again << '\n';
}

/// What the run or its chunks were warned of.
void write_warnings(std::ostream& out, const Terminal& terminal, const Json& run) {
    for (const auto& warning : list_of(run, "warnings")) {
        const auto id = text_of(run, "id"), task = text_of(warning, "task");
        out << terminal.painted("warning", Paint::Yellow) << ": " << text_of(run, "flow") << " run " << id
            << (task.empty() ? "" : ", " + task) << ": " << printable(text_of(warning, "message")) << '\n';
        const bool kept = !text_of(warning.value("details", Json::object()), "file").empty(); // rows that break a rule
        if (kept) out << "  look at them: millrace data head " << id << "." << task << " --rejected\n";
    }
    if (const auto left = number_of(run, "warnings_left"); left > 0)
        out << fmt::format("and {}{}: millrace runs show {} --json\n", left >= 10'000 ? "at least " : "", counted(left, "more warning"),
                           text_of(run, "id"));
    for (const auto& chunk : list_of(run, "chunks")) write_warnings(out, terminal, chunk);
}

/// Of a run that completed and says how: "5 of 5 chunks were done before".
void write_message(std::ostream& out, const Json& run) {
    const auto message = text_of(run, "state") == "completed" ? message_text(run) : "";
    if (message.empty()) return;
    const bool left_out = number_of(run, "chunks_done_before") > 0; // of a backfill
    out << text_of(run, "flow") << " run " << text_of(run, "id") << ": " << printable(message)
        << (left_out ? "; `millrace backfill` with --again runs them again" : "") << '\n';
}

Json all_loads(const Json& run) {
    auto loads = list_of(run, "loads");
    if (!loads.empty()) return loads;
    for (const auto& chunk : list_of(run, "chunks"))
        for (const auto& load : list_of(chunk, "loads")) loads.push_back(load);
    return loads;
}

} // namespace

std::string run_detail(const Json& run) {
    const auto loads = list_of(run, "loads");
    if (text_of(run, "state") == "completed" && !loads.empty()) return load_text(loads);
    const auto message = message_text(run);
    const auto state = text_of(run, "state");
    if (message.empty() && !is_over(state)) return interval_text(run);
    const bool is_chunk = !chunk_text(run).empty(), told_below = is_over(state) && state != "skipped";
    return is_chunk ? (failed_tasks(run).empty() ? message : "") : told_below ? "" : message;
}

bool outcome_tells(const Json& run, const Json& task_run) {
    const auto state = text_of(run, "state");
    return is_over(state) && state != "completed" && text_of(task_run, "state") != "completed" && has_error(task_run);
}

std::string task_detail(const Json& run, const Json& task_run) {
    const auto state = text_of(task_run, "state");
    if (state == "completed") {
        const auto loads = list_of(task_run, "loads");
        if (text_of(task_run, "verb") == "flow") // which run it called
            return joined({message_text(task_run), loads.empty() ? "" : load_text(loads)});
        if (!loads.empty()) return load_text(loads);
        if (text_of(task_run, "verb") == "approve") return message_text(task_run); // who decided
        const auto rejected = number_of(task_run, "rejected");
        return joined({text_of(task_run, "rows").empty()  ? ""
                       : number_of(task_run, "rows") == 0 ? "no rows"
                                                          : counted(number_of(task_run, "rows"), "row"),
                       counted_if_any(rejected, "rejected row")});
    }
    if (has_error(task_run) && (state == "failed" || state == "crashed" || state == "retrying"))
        return text_of(task_run["error"], "message") + (state == "retrying" ? next_attempt_text(task_run) : "");
    const auto progress = task_run.find("progress");
    const bool waits = text_of(task_run, "verb") == "wait";
    if (state == "running" && !waits && progress != task_run.end() && progress->is_object()) return progress_text(*progress);
    const auto message = message_text(task_run), due = local_time_text(text_of(task_run, "due_at"));
    if (state == "running" && message.empty() && !due.empty() && waits) return "until " + due;
    if (text_of(task_run, "state_name") != "AwaitingApproval") return message;
    return fmt::format("{}millrace runs approve {} {}, or reject", message.empty() ? "" : message + "   ", text_of(run, "id"),
                       text_of(task_run, "task"));
}

void RunView::show(const std::vector<RunDocument>& runs, Instant at) {
    if (terminal_.is_terminal)
        draw(runs, at);
    else
        for (const auto& run : runs) tell_changes(run, at);
    out_.flush();
}

void RunView::note(const std::string& text) {
    out_ << text << std::endl;
    drawn_lines_ = 0;
}

void RunView::draw(const std::vector<RunDocument>& runs, Instant at) {
    std::vector<Line> lines;
    for (const auto& run : runs) {
        auto more = lines_of(run, at);
        std::move(more.begin(), more.end(), std::back_inserter(lines));
    }
    int names = 0;
    for (const auto& line : lines) names = std::max(names, display_width(line.indent + line.name));
    names = std::min(names, std::clamp(terminal_.width - 28, 8, 40)); // a line that wraps would be drawn over wrongly
    std::string block;
    if (drawn_lines_ > 0) block += fmt::format("\x1b[{}A", drawn_lines_);
    for (const auto& line : lines) {
        const auto name = shortened(line.indent + printable(line.name), names);
        const auto padding = std::string(static_cast<std::size_t>(std::max(names - display_width(name), 0)), ' ');
        const int room = terminal_.width - names - 18;
        const auto paint = paint_of(line.state);
        block += fmt::format(
            "\r\x1b[2K{} {}{}  {:>11}  {}\n", terminal_.painted(mark_of(line.state), paint),
            line.indent.empty() ? terminal_.painted(name, Paint::Bold) : name, padding, line.time,
            terminal_.painted(shortened(printable(line.about), std::max(room, 10)), paint == Paint::Red ? Paint::Red : Paint::None));
    }
    block += "\x1b[J";
    out_ << block;
    drawn_lines_ = static_cast<int>(lines.size());
}

void RunView::tell_changes(const RunDocument& run, Instant at) {
    const auto id = text_of(run, "id"), flow = text_of(run, "flow");
    const auto tell_run = [&] { tell(id, fmt::format("{} run {}", flow, id), run, run_detail(run), at); };
    if (!is_over(text_of(run, "state"))) tell_run(); // it begins before its tasks, and ends after them
    for (const auto& task : list_of(run, "tasks")) {
        // of a fan-out a line per task run would be noise: it is told by the run's counts
        if (text_of(task, "item").empty())
            tell(id + "." + text_of(task, "task"), flow + "." + task_run_name(task), task, task_detail(run, task), at);
    }
    for (const auto& chunk : list_of(run, "chunks")) {
        const auto chunk_id = text_of(chunk, "id"), name = flow + " " + chunk_text(chunk);
        const auto tell_chunk = [&, &chunk = chunk] { tell(chunk_id, name, chunk, run_detail(chunk), at); };
        if (!is_over(text_of(chunk, "state"))) tell_chunk();
        for (const auto& task : list_of(chunk, "tasks"))
            tell(chunk_id + "." + text_of(task, "task"), name + "." + task_run_name(task), task, task_detail(chunk, task), at);
        tell_chunk();
    }
    tell_run();
}

void RunView::tell(const std::string& key, const std::string& subject, const Json& document, const std::string& detail, Instant at) {
    const auto state = text_of(document, "state");
    auto& told = told_[key];
    const bool waits = state == "pending" && !detail.empty() && waits_for_others(text_of(document, "state_name"));
    const bool worth = is_over(state) || state == "running" || state == "retrying" || state == "paused" || waits;
    const bool held_up = state == "running" && detail.starts_with("waiting for a lock "); // the only step worth a line: somebody can end it
    const auto attempt = attempt_text(document);
    const auto news = state + attempt + (held_up ? " held up" : waits ? ": " + detail : "");
    const bool just_told = waits && told.news.starts_with("pending") && at - told.at < between_lines && !is_in_line(document);
    const bool is_told = held_up || waits ? told.news == news || just_told : told.news.starts_with(state + attempt);
    const bool goes_on =
        state == "running" && at - told.at >= between_lines && detail != told.detail && !document.value("progress", Json()).is_null();
    if (!worth || (is_told && !goes_on)) return;
    told = {news, detail, at};
    const auto time = is_over(state) ? elapsed_text(document, at) : "";
    const bool fails = (state == "failed" || state == "crashed") && text_of(document, "on_failure") != "continue"; // told by the outcome
    out_ << printable(subject) << ": " << state_text(document) << (state == "running" ? attempt : "") << (time.empty() ? "" : " in " + time)
         << exceptions_text(document) << (detail.empty() || (fails && has_error(document)) ? "" : ": " + printable(detail)) << '\n';
}

void write_outcome(std::ostream& out, const Terminal& terminal, const std::vector<RunDocument>& runs) {
    Json loads = Json::array();
    for (const auto& run : runs)
        for (auto& load : all_loads(run)) loads.push_back(std::move(load));
    if (const auto table = loads_table(loads); !table.is_empty()) {
        out << '\n';
        table.write(out, terminal);
    }
    for (const auto& run : runs) {
        write_message(out, run);
        write_warnings(out, terminal, run);
        write_failure(out, terminal, run);
    }
}

} // namespace millrace
