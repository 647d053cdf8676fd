#include "daemon/exit_code.hpp"
