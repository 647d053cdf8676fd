#include "flows/source_spec.hpp"

namespace millrace {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(SourceField, name, secret, required, default_value, description)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(AuthSpec, kind, header, query, value, user, password)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(RateSpec, requests, per_seconds, concurrency)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ErrorRule, status, code, error_class, remedy)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(PagingSpec, kind, in, param, start, size_param, size, last_header)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(WindowSpec, step)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ResourceParam, name, type, required, narrows, default_value)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(SourceColumn, name, type, nullable)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ResourceSpec, name, description, base, method, path, headers, query, body, paging, window,
                                                records, total, key, rounded, complete, params, columns)

namespace {
struct Fields : SourceSpec {};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Fields, source, description, connection, auth, rate, error_message, error_code, errors,
                                                check_path, resources)
} // namespace

std::string place_of(const SourceSpec& source) {
    return source.own_file.empty() ? source.file : "a copy of " + source.file + " at " + source.own_file;
}

std::string place_in_spec(const SourceSpec& source, const std::string& resource, const std::string& key) {
    return "`" + key + "` of " + resource + " in " + (source.file.empty() ? "the spec of " + source.source : source.file);
}

void to_json(Json& j, const SourceSpec& s) { to_json(j, Fields{s}); }
void from_json(const Json& j, SourceSpec& s) {
    Fields f;
    from_json(j, f);
    s = std::move(static_cast<SourceSpec&>(f));
}

} // namespace millrace
