#include "daemon/cli/format.hpp"

#include "flows/zone.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <ctime>
#include <map>
#include <optional>

namespace millrace {

std::string text_of(const Json& document, const char* member) {
    const auto found = document.find(member);
    if (found == document.end() || found->is_null()) return "";
    return found->is_string() ? found->get<std::string>() : found->dump();
}

std::int64_t number_of(const Json& document, const char* member) {
    const auto found = document.find(member);
    return found != document.end() && found->is_number() ? found->get<std::int64_t>() : 0;
}

Json list_of(const Json& document, const char* member) {
    const auto found = document.find(member);
    return found != document.end() && found->is_array() ? *found : Json::array();
}

std::string duration_text(double seconds) {
    if (seconds < 10) return fmt::format("{:.1f} s", seconds);
    const auto whole = static_cast<std::int64_t>(seconds);
    if (whole < 60) return fmt::format("{} s", whole);
    if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
    return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
}

std::string local_time_text(const std::string& rfc3339) {
    const auto instant = parse_rfc3339(rfc3339);
    if (!instant) return rfc3339;
    const std::time_t seconds = to_micros(*instant) / 1'000'000;
    std::tm local{};
    localtime_r(&seconds, &local);
    return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", local.tm_year + 1900, local.tm_mon + 1, local.tm_mday, local.tm_hour,
                       local.tm_min, local.tm_sec);
}

std::string local_zone_text() {
    const char* variable = std::getenv("TZ");
    const std::string named = variable ? variable : "";
    try {
        const auto name = named.empty() ? date::current_zone()->name() : find_zone(named).name();
        return name == "Etc/UTC" ? "UTC" : name;
    } catch (const std::exception&) { // a rule in place of a name, or a machine without zones
        const std::time_t seconds = to_micros(now()) / 1'000'000;
        std::tm local{};
        localtime_r(&seconds, &local);
        return local.tm_zone;
    }
}

std::string local_title(const std::string& title) { return fmt::format("{} ({})", title, local_zone_text()); }

std::string heading_text(const std::string& name, const std::string& description) {
    return description.empty() ? name : name + "  " + printable(description);
}

std::string flow_text(const Json& document, const char* member) {
    return text_of(document, member) + (document.value("demo", false) ? " (demo)" : "");
}

std::string lack_text(const Json& lack) {
    std::string flows;
    for (const auto& flow : list_of(lack, "flows")) flows += (flows.empty() ? "" : ", ") + flow.get<std::string>();
    return text_of(lack, "message") + (flows.empty() ? "" : "; used by: " + flows);
}

std::string time_text_in(const std::string& zone, const std::string& rfc3339) {
    const auto instant = parse_rfc3339(rfc3339);
    try {
        return instant ? format_time(*instant, "%Y-%m-%d %H:%M:%S", find_zone(zone)) : rfc3339;
    } catch (const std::invalid_argument&) { // a zone that this machine does not know
        return rfc3339;
    }
}

std::string task_run_name(const Json& task_run) {
    const auto item = text_of(task_run, "item");
    return item.empty() ? text_of(task_run, "task") : fmt::format("{}[{}]", text_of(task_run, "task"), item);
}

std::string chunk_text(const Json& run) {
    const auto chunk = run.find("chunk");
    if (chunk == run.end() || !chunk->is_object()) return "";
    return fmt::format("chunk {} of {}", number_of(*chunk, "number"), number_of(*chunk, "of"));
}

std::string chunk_runs_text(const Json& run) {
    const auto runs = run.value("chunk_runs", Json());
    if (!runs.is_object()) return "";
    const auto count = number_of(runs, "count"), first = number_of(runs, "first"), last = number_of(runs, "last");
    if (count == 1) return fmt::format("in chunk {}", first);
    return count == last - first + 1 ? fmt::format("in chunks {}-{}", first, last) : fmt::format("in {} chunks, {}-{}", count, first, last);
}

std::string attention_text(const std::string& flow, const Json& attention) {
    const auto kind = text_of(attention, "kind");
    const auto what = kind == "rows_out_of_range" ? std::string("has too few or too many rows") : "is " + kind;
    return fmt::format("{} {}: {}", flow, what, printable(text_of(attention, "message")));
}

std::string paused_text(const Json& paused) {
    if (paused.value("paused_in_file", false)) return "paused (file)";
    const auto failures = number_of(paused, "paused_after_failures");
    return failures > 0 ? fmt::format("paused ({})", counted(failures, "failure")) : "paused";
}

std::string rest_text(const Json& schedule) {
    return schedule.value("paused", false) ? paused_text(schedule) : text_of(schedule, "message");
}

std::string next_start_text(const Json& flow) {
    const auto schedules = list_of(flow, "schedules");
    const auto is_in_file = [](const Json& schedule) { return schedule.value("paused_in_file", false); };
    const bool all_in_file = !schedules.empty() && std::all_of(schedules.begin(), schedules.end(), is_in_file);
    if (flow.value("paused", false)) return paused_text(Json{{"paused_in_file", all_in_file}});
    std::optional<Instant> first;
    std::string text = "-";
    for (const auto& schedule : schedules) {
        if (const auto rest = rest_text(schedule); !first && !rest.empty()) text = rest;
        const auto next = parse_rfc3339(text_of(schedule, "next"));
        if (!next || (first && *first <= *next)) continue;
        first = next;
        const auto zone = text_of(schedule, "timezone").empty() ? "UTC" : text_of(schedule, "timezone");
        text = time_text_in(zone, text_of(schedule, "next")) + " " + zone;
    }
    return text;
}

std::string elapsed_text(const Json& run_or_task, Instant at) {
    const auto started = parse_rfc3339(text_of(run_or_task, "started_at"));
    if (!started) return "";
    const auto finished = parse_rfc3339(text_of(run_or_task, "finished_at"));
    return duration_text(std::max(std::chrono::duration<double>(finished.value_or(at) - *started).count(), 0.0));
}

std::string state_name_text(const Json& run_or_task) {
    const auto state = text_of(run_or_task, "state"), name = text_of(run_or_task, "state_name");
    if (name == "AwaitingRetry") return ""; // what every `retrying` is
    std::string words;
    for (const char c : name) {
        const auto byte = static_cast<unsigned char>(c);
        if (std::isupper(byte) && !words.empty()) words += ' ';
        words += static_cast<char>(std::tolower(byte));
    }
    return words == state ? "" : words;
}

std::string state_text(const Json& run_or_task) {
    const auto state = text_of(run_or_task, "state"), name = state_name_text(run_or_task);
    return name.empty() ? state : fmt::format("{} ({})", state, name);
}

std::string trigger_text(const Json& run) {
    const auto outcome = text_of(run, "outcome"), name = fmt::format("{} run {} ", text_of(run, "flow"), text_of(run, "id"));
    if (outcome == "skipped") return name + "skipped: another run is active";
    return name + (outcome == "existing" ? "was started with this key before: " + outcome_text(run) : state_text(run));
}

std::string trigger_of(const Json& run) {
    const auto due = parse_rfc3339(text_of(run, "scheduled_for")), created = parse_rfc3339(text_of(run, "created_at"));
    if (!due || !created || *created - *due < std::chrono::minutes(1)) return text_of(run, "trigger");
    return text_of(run, "trigger") + " of " + local_time_text(text_of(run, "scheduled_for")).substr(5, 11);
}

std::string exceptions_text(const Json& run) {
    auto counts = run.value("counts", Json());
    if (text_of(run, "state") != "completed") return "";
    if (!counts.is_object()) counts = Json::object(); // of a flow's last run nobody asked for them
    const auto failed = number_of(counts, "failed") + number_of(counts, "crashed"), skipped = number_of(counts, "skipped"),
               warnings = number_of(run, "warning_count");
    return (warnings > 0 ? ", " + counted(warnings, "warning") : "") +
           (failed > 0 ? fmt::format(", {} failed (continued)", count_text(failed)) : "") +
           (skipped > 0 ? fmt::format(", {} skipped", count_text(skipped)) : "");
}

std::string outcome_text(const Json& run) {
    return state_text(run) + (number_of(run, "limit_rows") > 0 ? " (trial)" : "") + exceptions_text(run);
}

Json last_begun_run(const Json& runs) {
    const auto is_under_way = [](const Json& run) {
        const auto state = text_of(run, "state");
        return state == "running" || state == "retrying" || state == "paused" || state == "cancelling";
    };
    const auto begun = std::find_if(runs.begin(), runs.end(), [](const Json& run) { return text_of(run, "state") != "pending"; });
    return begun != runs.end() && is_under_way(*begun) ? *begun : runs.front();
}

Paint paint_of_run(const Json& run) { return exceptions_text(run).empty() ? paint_of(text_of(run, "state")) : Paint::Yellow; }

std::string message_text(const Json& run_or_task) {
    const auto message = text_of(run_or_task, "message");
    return message == text_of(run_or_task, "state_name") || message == text_of(run_or_task, "state") ? "" : message;
}

std::string cause_text(const Json& run) {
    constexpr int widest_cause = 100;
    return shortened(printable(message_text(run)), widest_cause);
}

std::string interval_text(const Json& run) {
    const auto interval = run.find("interval");
    if (interval == run.end() || !interval->is_object()) return "";
    const auto start = parse_rfc3339(text_of(*interval, "start")), end = parse_rfc3339(text_of(*interval, "end"));
    const auto zone = text_of(run, "timezone").empty() ? "UTC" : text_of(run, "timezone");
    try {
        const auto day = [&](Instant t) { return format_time(t, "%Y-%m-%d", find_zone(zone)); };
        const auto time = [&](Instant t) { return format_time(t, "%H:%M", find_zone(zone)); };
        if (time(start.value()) == "00:00" && time(end.value()) == "00:00") return fmt::format("{} to {}", day(*start), day(*end));
        const auto until = day(*start) == day(*end) ? "" : day(*end) + " ";
        return fmt::format("{} {} to {}{} ({})", day(*start), time(*start), until, time(*end), zone);
    } catch (const std::exception&) { // a zone that this machine does not know
        return fmt::format("{} to {}", text_of(*interval, "start"), text_of(*interval, "end"));
    }
}

std::string params_text(const Json& params) {
    constexpr std::size_t longest = 200, most_shown = 300; // what is just above would hardly be shorter
    std::string text;
    for (const auto& [name, value] : params.items()) {
        auto shown = value.dump(-1, ' ', false, Json::error_handler_t::replace);
        if (const auto size = shown.size(); size > most_shown) {
            auto end = longest;
            while ((static_cast<unsigned char>(shown[end]) & 0xC0) == 0x80) --end; // not within a character
            shown.resize(end);
            shown += size < 10'000 ? fmt::format("... ({} bytes)", count_text(static_cast<std::int64_t>(size)))
                                   : fmt::format("... ({} kB)", count_text(static_cast<std::int64_t>(size / 1000)));
        }
        text += (text.empty() ? "" : ",") + Json(name).dump() + ":" + shown;
    }
    return "{" + text + "}";
}

TextTable loads_table(const Json& loads) {
    struct Sum {
        std::int64_t counts[5] = {};
        double seconds = 0;
    };
    constexpr const char* members[] = {"inserted", "updated", "unchanged", "deleted", "rejected"};
    std::vector<std::string> order;
    std::map<std::string, Sum> sums;
    for (const auto& load : loads) {
        const auto name = text_of(load, "table");
        if (!sums.contains(name)) order.push_back(name);
        auto& sum = sums[name];
        for (int i = 0; i < 5; ++i) sum.counts[i] += number_of(load, members[i]);
        sum.seconds += load.value("seconds", 0.0);
    }
    using enum TextTable::Align;
    TextTable table({{"table", Left},
                     {"inserted", Right},
                     {"updated", Right},
                     {"unchanged", Right},
                     {"deleted", Right},
                     {"rejected", Right},
                     {"seconds", Right, 1}});
    for (const auto& name : order) {
        std::vector<TextTable::Cell> cells{name};
        for (int i = 0; i < 5; ++i) {
            const bool is_rejected = i == 4 && sums[name].counts[i] > 0;
            cells.emplace_back(count_text(sums[name].counts[i]), is_rejected ? Paint::Yellow : Paint::None);
        }
        cells.emplace_back(fmt::format("{:.2f}", sums[name].seconds));
        table.add(std::move(cells));
    }
    return table;
}

Instant now() { return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()); }

} // namespace millrace
