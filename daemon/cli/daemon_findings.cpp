#include "daemon/cli/daemon_findings.hpp"

#include "daemon/cli/format.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace millrace {
namespace {

using Findings = std::vector<Finding>;

void look_at_journal(const Json& facts, Findings& findings) {
    const auto away = text_of(facts, "journal_away");
    if (facts.value("journal", Json::object()).value("journal_alive", 1) != 0 && away.empty()) return;
    findings.push_back({"journal", false,
                        fmt::format("no run begins, and none is recorded: {}",
                                    away.empty() ? "the store has taken nothing for longer than half of a lease" : away),
                        "mend that in the store's PostgreSQL, whose log may say more; runs go on by themselves then"});
}

void look_at_clock(const Json& facts, Findings& findings) {
    if (const auto wrong = text_of(facts, "clock_wrong"); !wrong.empty())
        findings.push_back({"clock", false, wrong + ": schedules rest on this node, others fire", "set it right, with NTP for example"});
}

void look_at_staging(const Json& facts, Findings& findings) {
    if (const auto lost = text_of(facts, "staging_lost"); !lost.empty())
        findings.push_back({"staging", false, lost + ": task runs wait",
                            "mount it again, or put back what was in it; task runs begin by themselves then"});
}

/// As many as are worth reading, and how many there are besides.
void tell(Findings of_one_kind, const char* command, Findings& findings) {
    constexpr std::size_t most = 10;
    const auto all = of_one_kind.size();
    for (auto& finding : of_one_kind)
        if (&finding - of_one_kind.data() < static_cast<std::ptrdiff_t>(most)) findings.push_back(std::move(finding));
    if (all > most) findings.push_back({findings.back().name, true, fmt::format("and {} more", all - most), command});
}

void look_at_schedules(const Json& facts, Findings& findings) {
    Findings held;
    for (const auto& one : list_of(facts, "held_schedules"))
        held.push_back(
            {"schedules", true,
             fmt::format("a schedule of {} is paused: {} of its runs failed in a row", text_of(one, "flow"), number_of(one, "failures")),
             fmt::format("millrace flows show {0}; when it is mended: millrace schedules resume {0}", text_of(one, "flow"))});
    tell(std::move(held), "millrace flows list", findings);
}

void look_at_zones(const Json& facts, Findings& findings) {
    constexpr std::size_t most = 5;
    for (const auto& one : list_of(facts, "zones_missing")) {
        auto flows = list_of(one, "flows").get<std::vector<std::string>>();
        const auto more = flows.size() > most ? fmt::format(" and {} more", flows.size() - most) : "";
        flows.resize(std::min(flows.size(), most));
        findings.push_back(
            {"schedules", false,
             fmt::format("node {} has no time zone {}: schedules of {}{} rest here", text_of(facts.value("node", Json::object()), "id"),
                         text_of(one, "zone"), fmt::join(flows, ", "), more),
             "install tzdata or tzdata-legacy there and restart the daemon, or name the zone otherwise in the flows"});
    }
}

void look_at_limits(const Json& facts, Findings& findings) {
    Findings differing;
    for (const auto& one : list_of(facts, "limits_of_others"))
        differing.push_back(
            {"limits", true,
             fmt::format("the limit '{}' is {}, as other nodes have it; this daemon's millrace.yaml says {}", text_of(one, "key"),
                         number_of(one, "slots"), one.at("written").is_null() ? "nothing of it" : text_of(one, "written")),
             "write the same in the millrace.yaml of each node; to put in force what this one says, for all: millrace deploy"});
    tell(std::move(differing), "millrace limits", findings);
}

void look_at_queues(const Json& facts, Findings& findings) {
    Findings queues;
    for (const auto& one : list_of(facts, "queues"))
        queues.push_back(
            {"queues", true,
             fmt::format("runs of {} queue up: {} wait, the first, run {}, since {}; in the later half of that time {} came and {} ended",
                         text_of(one, "flow"), number_of(one, "waiting"), number_of(one, "first"), local_time_text(text_of(one, "since")),
                         number_of(one, "came"), number_of(one, "ended")),
             fmt::format("millrace runs show {} says what for; start them less often, or write `overlap: skip` in the flow",
                         number_of(one, "first"))});
    tell(std::move(queues), "millrace runs list --state pending", findings);
}

void look_at_durability(const Json& facts, Findings& findings) {
    if (text_of(facts.value("store", Json::object()), "fsync") == "off")
        findings.push_back({"store", true,
                            "its PostgreSQL has fsync off: a crash of the machine may lose what was acknowledged, or damage the store",
                            "write fsync = on in its postgresql.conf and reload it"});
}

} // namespace

Findings daemon_findings(const Json& facts) {
    Findings findings;
    look_at_journal(facts, findings);
    look_at_clock(facts, findings);
    look_at_staging(facts, findings);
    look_at_durability(facts, findings);
    look_at_limits(facts, findings);
    look_at_zones(facts, findings);
    look_at_schedules(facts, findings);
    look_at_queues(facts, findings);
    return findings;
}

} // namespace millrace
