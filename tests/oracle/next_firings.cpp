/// Reads schedules as JSON lines, {cron | every, timezone, start, end, gap, overlap, after, n}, and prints the next n firings of each as
/// one line of Unix seconds.
#include "flows/cron.hpp"
#include "flows/interval.hpp"
#include "flows/json.hpp"

#include <iostream>

int main() {
    using namespace millrace;
    for (std::string line; std::getline(std::cin, line);) {
        const Json question = Json::parse(line);
        ScheduleSpec schedule;
        schedule.cron = question.value("cron", "");
        if (question.contains("every")) schedule.every = parse_span(question.at("every"));
        schedule.timezone = question.at("timezone");
        schedule.start = question.value("start", "");
        schedule.end = question.value("end", "");
        schedule.dst = {question.at("gap"), question.at("overlap")};
        std::string answer;
        for (const Firing& f : next_firings(schedule, *parse_rfc3339(question.at("after").get<std::string>()), question.at("n").get<int>()))
            answer +=
                (answer.empty() ? "" : " ") + std::to_string(std::chrono::floor<std::chrono::seconds>(f.at).time_since_epoch().count());
        std::cout << answer << '\n';
    }
}
