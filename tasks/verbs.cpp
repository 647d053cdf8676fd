#include "flows/host_message.hpp"
