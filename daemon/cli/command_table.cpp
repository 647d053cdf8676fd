#include "daemon/cli/command_table.hpp"

#include "daemon/cli/commands.hpp"

#include <array>

namespace millrace {
namespace {

constexpr std::array families{
    CommandFamily{"Start", add_serve_commands},         CommandFamily{"Start", add_init_command},
    CommandFamily{"Flows", add_flows_commands},         CommandFamily{"Flows", add_deploy_command},
    CommandFamily{"Flows", add_schedules_commands},     CommandFamily{"Runs", add_run_command},
    CommandFamily{"Runs", add_backfill_command},        CommandFamily{"Runs", add_runs_commands},
    CommandFamily{"Runs", add_data_commands},           CommandFamily{"Systems", add_sources_commands},
    CommandFamily{"Systems", add_connections_commands}, CommandFamily{"Operation", add_state_commands},
    CommandFamily{"Operation", add_doctor_command},     CommandFamily{"Operation", add_program_commands},
};

} // namespace

std::span<const CommandFamily> command_families() { return families; }

CLI::Validator not_empty(const char* what) {
    auto check = [what](const std::string& text) {
        if (text.empty()) throw UsageError(std::string(what) + " is empty", "give one, or leave it out");
        return std::string();
    };
    return {std::move(check), "", "not empty"};
}

} // namespace millrace
