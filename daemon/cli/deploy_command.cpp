/// `millrace deploy`
#include "daemon/cli/commands.hpp"

#include "daemon/cli/asked_installation.hpp"
#include "daemon/cli/format.hpp"
#include "daemon/cli/project_flows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <utility>

namespace millrace {
namespace {

const char* sign_of(const std::string& change) {
    if (change == "new") return "+";
    if (change == "changed") return "~";
    if (change == "archived" || change == "removed") return "-";
    return change == "error" ? "!" : " ";
}

Paint paint_of_change(const std::string& change) {
    if (change == "new") return Paint::Green;
    if (change == "changed") return Paint::Yellow;
    return change == "error" ? Paint::Red : Paint::Dim;
}

void write_change(const Cli& cli, const Json& change) {
    const bool held = change.value("held_back", false);
    const auto kind = held ? "held back" : text_of(change, "change");
    std::cout << cli.out.painted(fmt::format("{} {:<12} {}", sign_of(kind), kind, flow_text(change, "flow")), paint_of_change(kind))
              << '\n';
}

void write_setting(std::ostream& out, const Terminal& terminal, const Json& change) {
    const auto what = text_of(change, "change"), setting = text_of(change, "setting");
    if (what == "in_force") {
        const auto whose = setting.substr(setting.find('.') + 1);
        out << terminal.painted(fmt::format("~ {:<12} secrets of {} (every run reads them anew: in force already)", "changed", whose),
                                Paint::Yellow)
            << '\n';
        return;
    }
    const bool is_later = what == "needs_restart", is_odd = what == "kept" || what == "unmet";
    const std::string kind = change.value("held_back", false) ? "held back" : is_later ? "restart" : what;
    std::string more;
    if (is_later) more = ", which counts when the daemon is started again";
    if (what == "unmet") {
        const auto hint = text_of(change, "hint");
        more = ": " + printable(text_of(change, "message")) + (hint.empty() ? "" : "; " + printable(hint));
    }
    if (what == "kept")
        more = fmt::format(": {}, which deployed flows or live runs still need; deploy again when none does", change.value("slots", 0));
    const auto line = fmt::format("{} {:<12} millrace.yaml: {}{}", is_later || is_odd ? "!" : sign_of(kind), kind, setting, more);
    out << terminal.painted(line, paint_of_change(is_later || is_odd ? "changed" : kind)) << '\n';
}

/// Of what was deployed, or why not, and where else it is to be done.
void write_end(const Json& answer, bool has_mistakes, bool dry_run) {
    const auto settings = list_of(answer, "settings");
    const bool settings_wait =
        std::any_of(settings.begin(), settings.end(), [](const Json& change) { return change.value("held_back", false); });
    if (settings_wait)
        std::cout << "A flow has a mistake, so nothing was deployed: all flows and millrace.yaml's settings stay as they were.\n";
    else if (has_mistakes)
        std::cout << "Of a folder with mistakes nothing was deployed: its flows stay as they were.\n";
    else if (dry_run)
        std::cout << "Nothing was stored (--dry-run).\n";
    std::string nodes;
    for (const auto& node : list_of(answer, "other_nodes")) nodes += (nodes.empty() ? "" : ", ") + node.get<std::string>();
    if (!nodes.empty())
        std::cout << "Other nodes: " << nodes
                  << ". Flows are in force there too within a few seconds; their millrace.yaml is their own: deploy there too.\n";
}

struct Told {
    int mistakes = 0, warnings = 0;
    int known = 0; ///< warnings of flows that did not change: told when they came
};

/// Each as `flows validate` shows it, below all that changes.
Told write_all_diagnostics(const Cli& cli, const Json& changes, bool known_too) {
    Told told;
    for (const auto& change : changes)
        for (const auto& document : list_of(change, "diagnostics")) {
            const auto diagnostic = with_source_line(document);
            if (!known_too && text_of(change, "change") == "unchanged" && diagnostic.severity != Severity::Error) {
                ++told.known;
                continue;
            }
            if (told.mistakes + told.warnings == 0) std::cout << '\n';
            ++(diagnostic.severity == Severity::Error ? told.mistakes : told.warnings);
            write_diagnostic(std::cout, cli.out, diagnostic);
        }
    return told;
}

bool is_told(const Json& changes, const std::string& message) {
    for (const auto& change : changes)
        for (const auto& diagnostic : list_of(change, "diagnostics"))
            if (text_of(diagnostic, "message") == message) return true;
    return false;
}

/// What connections lack that flows now in force may use, where a flow's diagnostics do not tell; the sentences of `doctor`. How many
/// there are.
int warn_of_lacks(std::ostream& out, const Terminal& terminal, const Json& facts, const Json& changes) {
    const auto settings = facts.find("settings");
    int told = 0;
    for (const auto& lack : settings == facts.end() ? Json::array() : list_of(*settings, "missing")) {
        if (is_told(changes, text_of(lack, "message"))) continue;
        ++told;
        out << terminal.painted("warning", Paint::Yellow) << ": " << printable(lack_text(lack)) << '\n';
        if (const auto remedy = text_of(lack, "remedy"); !remedy.empty()) out << "  " << printable(remedy) << '\n';
    }
    return told;
}

/// "5 flows: 1 new, 4 unchanged; 2 warnings"
std::string summary(const Json& changes, const Told& told) {
    std::vector<std::pair<std::string, int>> kinds;
    for (const auto& change : changes) {
        const auto kind = change.value("held_back", false) ? std::string("held back") : text_of(change, "change");
        const auto known = std::find_if(kinds.begin(), kinds.end(), [&](const auto& entry) { return entry.first == kind; });
        known == kinds.end() ? void(kinds.emplace_back(kind, 1)) : void(++known->second);
    }
    std::vector<std::string> parts;
    for (const auto& [kind, count] : kinds)
        parts.push_back(fmt::format("{} {}", count_text(count), kind == "error" ? "with mistakes" : kind));
    auto text = fmt::format("{}: {}", counted(std::ssize(changes), "flow"), fmt::join(parts, ", "));
    if (told.mistakes > 0) text += "; " + counted(told.mistakes, "mistake");
    if (told.warnings > 0) text += (told.mistakes > 0 ? ", " : "; ") + counted(told.warnings, "warning");
    if (told.known > 0)
        text += fmt::format("; {} as before (millrace deploy --warnings shows {})", counted(told.known, "warning"),
                            told.known == 1 ? "it" : "them");
    return text;
}

int deploy(Cli& cli, const std::vector<std::string>& folders, bool dry_run, bool known_too) {
    Json request = {{"dry_run", dry_run}, {"folders", Json::array()}};
    for (const auto& folder : folders) request["folders"].push_back(std::filesystem::absolute(folder).lexically_normal().string());
    if (!names_daemon()) (void)cli.configuration(); // its mistakes stop this one
    const auto answer = cli.api().post("/api/v1/deploy", request);
    const auto changes = list_of(answer, "changes");
    bool has_mistakes = false;
    for (const auto& change : changes) has_mistakes = has_mistakes || text_of(change, "change") == "error";
    for (const auto& change : list_of(answer, "settings"))
        write_setting(cli.json ? std::cerr : std::cout, cli.json ? cli.err : cli.out, change);
    const auto facts = cli.api().get("/api/v1/doctor");
    const auto lacks = [&](std::ostream& out, const Terminal& terminal) {
        return dry_run ? 0 : warn_of_lacks(out, terminal, facts, changes);
    };
    if (cli.json) {
        Cli::print(changes);
        lacks(std::cerr, cli.err);
    } else {
        for (const auto& change : changes) write_change(cli, change);
        auto told = write_all_diagnostics(cli, changes, known_too);
        told.warnings += lacks(std::cout, cli.out);
        std::cout << '\n' << (changes.empty() ? "There is no flow file in the daemon's folders." : summary(changes, told)) << '\n';
        // a daemon that MILLRACE_URL names may be on another machine, and what is here does not matter to it
        const auto other = names_daemon() ? Json() : other_installation(cli.configuration(), facts.value("settings", Json::object()));
        if (!other.is_null()) {
            std::cout << "These are those of the daemon that answers here: "
                      << installation_text(text_of(other, "state"), text_of(other, "file")) << ".\n";
            cli.says_whose_answer();
        }
        write_end(answer, has_mistakes, dry_run);
    }
    return has_mistakes ? exit_failed : exit_done;
}

} // namespace

void add_deploy_command(CLI::App& app, Cli& cli) {
    auto folders = std::make_shared<std::vector<std::string>>();
    auto dry_run = std::make_shared<bool>(false);
    auto* command = app.add_subcommand("deploy", "Put millrace.yaml and the flow folders in force, and say what changes");
    command->add_option("FOLDER", *folders, "folders (default: those of the daemon's millrace.yaml)")->type_name("");
    command->add_flag("--dry-run", *dry_run, "only say what would change");
    auto warnings = std::make_shared<bool>(false);
    command->add_flag("--warnings", *warnings, "the warnings of flows that did not change, too");
    on_call(command, cli, [&cli, folders, dry_run, warnings] { return deploy(cli, *folders, *dry_run, *warnings); });
}

} // namespace millrace
