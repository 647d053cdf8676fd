#include "daemon/cli/cli.hpp"

int main(int argc, char** argv) { return millrace::run_cli(argc, argv); }
