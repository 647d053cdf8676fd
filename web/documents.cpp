#include "web/documents.hpp"

#include "web/document_tables.hpp"

#include <vector>

namespace millrace {

std::span<const Document> documents() {
    static const auto all = [] {
        std::vector<Document> out;
        for (const auto part : {flow_documents(), run_documents(), node_documents(), request_documents()})
            out.insert(out.end(), part.begin(), part.end());
        return out;
    }();
    return all;
}

} // namespace millrace
