#include "daemon/cli/log_view.hpp"

#include "daemon/cli/format.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <ctime>
#include <utility>

namespace millrace {
namespace {

/// "2026-11-28 (+01:00)" on this machine's clock; empty where it is no time.
std::string day_text(const std::string& at) {
    const auto instant = parse_rfc3339(at);
    if (!instant) return "";
    const std::time_t seconds = to_micros(*instant) / 1'000'000;
    std::tm local{};
    localtime_r(&seconds, &local);
    const long minutes = local.tm_gmtoff / 60;
    return fmt::format("{} ({}{:02}:{:02})", local_time_text(at).substr(0, 10), minutes < 0 ? '-' : '+', std::abs(minutes) / 60,
                       std::abs(minutes) % 60);
}

std::string time_text(const std::string& at) {
    const auto text = local_time_text(at);
    return text.size() > 11 ? text.substr(11) : text;
}

} // namespace

void LogView::of(const Json& run) {
    attempts_.clear();
    begun_.clear();
    if (const auto chunk = chunk_text(run); !chunk.empty())
        out_ << terminal_.painted(fmt::format("{}, run {}", chunk, text_of(run, "id")), Paint::Bold) << '\n';
    for (const auto& task : list_of(run, "tasks")) attempts_[task_run_name(task)] = number_of(task, "attempts");
}

void LogView::begin_day(const std::string& at) {
    const auto day = day_text(at);
    if (day.empty() || day == std::exchange(day_, day)) return;
    out_ << terminal_.painted(day, Paint::Dim) << '\n';
}

/// A task that was tried once needs no heading.
void LogView::begin_attempt(const Json& line, const std::string& time) {
    const auto name = task_run_name(line);
    const auto number = number_of(line, "attempt");
    if (!begun_.insert(fmt::format("{} {}", name, number)).second) return;
    const auto known = attempts_.find(name);
    const auto all = known == attempts_.end() ? number : known->second;
    if (number <= 1 && all <= 1) return;
    out_ << terminal_.painted(
                printable(fmt::format("{}: attempt {}{}, began {}", name, number, number <= all ? fmt::format(" of {}", all) : "", time)),
                Paint::Bold)
         << '\n';
}

void LogView::show(const Json& line) {
    const auto at = text_of(line, "at"), level = text_of(line, "level"), text = printable(text_of(line, "text"));
    const auto time = time_text(at);
    begin_day(at);
    begin_attempt(line, time);
    if (level == "error" && text.starts_with("remedy: ")) {
        out_ << "  " << text << '\n';
        return;
    }
    const Paint paint = level == "error" ? Paint::Red : level == "warning" ? Paint::Yellow : level == "debug" ? Paint::Dim : Paint::None;
    out_ << terminal_.painted(time, Paint::Dim) << ' ';
    const bool mapped = line.contains("item") && !line["item"].is_null();
    const bool of_a_task = !text_of(line, "task").empty(); // else somebody did it to the run
    if (of_a_task && (tasks_ == Tasks::Shown || mapped)) out_ << terminal_.painted(printable(task_run_name(line)), Paint::Blue) << ' ';
    out_ << (level == "warning" || level == "error" ? level + ": " : "") << terminal_.painted(text, paint) << '\n';
}

} // namespace millrace
