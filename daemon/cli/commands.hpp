/// What each family's file defines: its place in the parser. command_table.cpp names them all.
#pragma once

#include "daemon/cli/command_table.hpp"

namespace millrace {

void add_serve_commands(CLI::App& app, Cli& cli); ///< up, serve
void add_init_command(CLI::App& app, Cli& cli);
void add_flows_commands(CLI::App& app, Cli& cli);
void add_deploy_command(CLI::App& app, Cli& cli);
void add_schedules_commands(CLI::App& app, Cli& cli);
void add_run_command(CLI::App& app, Cli& cli);
void add_backfill_command(CLI::App& app, Cli& cli);
void add_runs_commands(CLI::App& app, Cli& cli);
void add_data_commands(CLI::App& app, Cli& cli);
void add_sources_commands(CLI::App& app, Cli& cli);
void add_connections_commands(CLI::App& app, Cli& cli);
void add_state_commands(CLI::App& app, Cli& cli); ///< limits, nodes
void add_doctor_command(CLI::App& app, Cli& cli);
void add_program_commands(CLI::App& app, Cli& cli); ///< psql, sandbox

} // namespace millrace
