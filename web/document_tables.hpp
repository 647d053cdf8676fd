/// The parts of documents(), each in a file of its own.
#pragma once

#include "web/documents.hpp"

namespace millrace {

[[nodiscard]] std::span<const Document> flow_documents();
[[nodiscard]] std::span<const Document> run_documents();
[[nodiscard]] std::span<const Document> node_documents();
[[nodiscard]] std::span<const Document> request_documents();

} // namespace millrace
