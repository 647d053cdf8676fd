/// From what a source spec says about a resource to the requests of one slice. Pure.
///
/// Values that stand in a path are percent-encoded. A query value, a member or a list element of the body that is null after
/// substitution is left out.
#pragma once

#include "connectors/http/http_client.hpp"
#include "flows/source_spec.hpp"
#include "flows/substitute.hpp"

#include <optional>

namespace millrace {

class RequestBuilder {
public:
    /// `scope` knows `connection`, `window` and the resource's parameters by their names. Throws Error{Permanent}.
    RequestBuilder(const SourceSpec& source, const ResourceSpec& resource, const Json& connection, const Scope& scope);

    /// The request of the page with this number (`paging.start` is the first); without paging there is one page.
    [[nodiscard]] HttpRequest page(std::int64_t number) const;
    /// The same for every page of the slice: what it is asked for.
    [[nodiscard]] std::string identity() const;

private:
    const PagingSpec& paging_; ///< of the resource, which outlives the builder
    HttpRequest request_;      ///< without page
    std::vector<std::pair<std::string, std::string>> query_;
    std::string secret_query_; ///< an API key that travels in the query; not part of the identity
    Json body_;                ///< null: none
};

/// `connection` with the defaults of its source's fields filled in. Throws Error{Permanent} that names a missing field.
[[nodiscard]] Json complete_connection(const SourceSpec& source, const Json& connection);

/// Hides the values of secret fields in text that people will see.
class SecretMask {
public:
    SecretMask(const SourceSpec& source, const Json& connection);
    [[nodiscard]] std::string operator()(std::string text) const;

private:
    std::vector<std::string> secrets_;
};

} // namespace millrace
