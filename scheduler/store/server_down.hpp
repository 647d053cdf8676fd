/// Proof that a PostgreSQL server on this machine does not run. While it does not, no other node can take over what is ours.
#pragma once

#include <optional>
#include <string>

namespace millrace {

/// The socket file of a server that libpq URL `url` reaches without a network; nothing for one that is reached by TCP, where
/// somebody between may refuse for a server that runs, or another one may take its place.
[[nodiscard]] std::optional<std::string> local_socket(const std::string& url);

/// The connection is refused, or the file is gone. False: somebody listens, or it is not known.
[[nodiscard]] bool nobody_listens(const std::string& socket_file);

} // namespace millrace
