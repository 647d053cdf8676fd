/// The version that `millrace --version`, the API and the hosts report.
#pragma once

namespace millrace {
inline constexpr const char* version = "0.1.0";
}
