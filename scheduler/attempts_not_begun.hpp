/// Errors of attempts that are on record and never came to a host: they have no log, which is told from one that was removed by these.
#pragma once

namespace millrace {

constexpr const char* cancelled_before_it_began = "cancelled before it began";
constexpr const char* no_folder = "cannot make the folder "; ///< how it begins

} // namespace millrace
