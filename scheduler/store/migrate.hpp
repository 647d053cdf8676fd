/// Brings the schema `millrace` of the store to the newest version that this program knows.
#pragma once

#include <string>

namespace millrace {

/// The newest version that this program knows.
[[nodiscard]] int schema_version();

/// One transaction per migration, under an advisory lock, so that nodes which start together do not collide.
/// Throws Error{Permanent} when the store is newer than this program or refuses what we ask, Error{Transient} when it does not answer
/// or does not let us in: libpq tells these two in words only.
void migrate(const std::string& url);

} // namespace millrace
