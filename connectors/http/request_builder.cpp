#include "connectors/http/request_builder.hpp"

#include "connectors/http/json_path.hpp"

#include <openssl/evp.h>

namespace millrace {
namespace {

std::string base64(const std::string& bytes) {
    std::string out(4 * ((bytes.size() + 2) / 3), '\0');
    EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), reinterpret_cast<const unsigned char*>(bytes.data()),
                    static_cast<int>(bytes.size()));
    return out;
}

std::string text_of(const Json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

std::string substituted(const std::string& text, const Scope& scope) { return text_of(substitute_text(text, scope)); }

/// The values of references are encoded, the text around them is as the spec says.
std::string path_of(const std::string& text, const Scope& scope) {
    std::string out;
    std::size_t done = 0;
    for (const Reference& r : references(text)) {
        out += text.substr(done, r.offset - done) + percent_encoded(substituted(text.substr(r.offset, r.length), scope));
        done = r.offset + r.length;
    }
    return out + text.substr(done);
}

/// Without members and elements that are null.
Json pruned(const Json& value) {
    if (value.is_object()) {
        Json out = Json::object();
        for (const auto& [name, member] : value.items())
            if (!member.is_null()) out[name] = pruned(member);
        return out;
    }
    if (value.is_array()) {
        Json out = Json::array();
        for (const Json& element : value)
            if (!element.is_null()) out.push_back(pruned(element));
        return out;
    }
    return value;
}

void add_query(std::vector<std::pair<std::string, std::string>>& query, const std::string& name, const Json& value) {
    if (value.is_null()) return;
    if (value.is_array())
        for (const Json& element : value) add_query(query, name, element);
    else
        query.emplace_back(name, text_of(value));
}

std::string base_url(const ResourceSpec& resource, const Json& connection) {
    if (!connection.contains(resource.base) || !connection[resource.base].is_string())
        throw Error(ErrorClass::Permanent,
                    "the connection has no field '" + resource.base + "', which resource '" + resource.name + "' asks");
    std::string url = connection[resource.base].get<std::string>();
    while (url.ends_with('/')) url.pop_back();
    return url;
}

} // namespace

RequestBuilder::RequestBuilder(const SourceSpec& source, const ResourceSpec& resource, const Json& connection, const Scope& scope)
    : paging_(resource.paging) {
    request_.method = resource.method;
    request_.url = base_url(resource, connection) + path_of(resource.path, scope);
    request_.headers["Accept"] = "application/json";
    for (const auto& [name, value] : resource.headers) { // what is filled in may be a secret
        auto& headers = references(value).empty() ? request_.headers : request_.credentials;
        headers[name] = substituted(value, scope);
    }
    const Json query = substitute(resource.query, scope);
    for (const auto& [name, value] : query.items()) add_query(query_, name, value);
    if (!resource.body.is_null()) {
        body_ = pruned(substitute(resource.body, scope));
        request_.headers["Content-Type"] = "application/json";
        request_.has_body = true;
    }
    const AuthSpec& auth = source.auth;
    if (auth.kind == "api_key" && !auth.header.empty()) request_.credentials[auth.header] = substituted(auth.value, scope);
    if (auth.kind == "api_key" && !auth.query.empty())
        secret_query_ = percent_encoded(auth.query) + "=" + percent_encoded(substituted(auth.value, scope));
    if (auth.kind == "bearer") request_.credentials["Authorization"] = "Bearer " + substituted(auth.value, scope);
    if (auth.kind == "basic")
        request_.credentials["Authorization"] = "Basic " + base64(substituted(auth.user, scope) + ":" + substituted(auth.password, scope));
}

HttpRequest RequestBuilder::page(std::int64_t number) const {
    HttpRequest request = request_;
    auto query = query_;
    Json body = body_;
    const auto put = [&](const std::string& name, std::int64_t value) {
        if (name.empty()) return;
        if (paging_.in == "body")
            set_in(body, parse_json_path(name), value);
        else
            query.emplace_back(name, std::to_string(value));
    };
    if (paging_.kind == "page_number") {
        put(paging_.param, number);
        if (paging_.size > 0) put(paging_.size_param, paging_.size);
    }
    char mark = request.url.find('?') == std::string::npos ? '?' : '&';
    const auto append = [&](const std::string& text) {
        request.url += mark + text;
        mark = '&';
    };
    for (const auto& [name, value] : query) append(percent_encoded(name) + "=" + percent_encoded(value));
    if (!secret_query_.empty()) append(secret_query_);
    if (request.has_body) request.body = body.dump(-1, ' ', false, Json::error_handler_t::replace);
    return request;
}

std::string RequestBuilder::identity() const {
    std::string text = request_.method + " " + request_.url + "\n";
    for (const auto& [name, value] : query_) text += name + "=" + value + "\n";
    return text + body_.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json complete_connection(const SourceSpec& source, const Json& connection) {
    Json out = connection.is_object() ? connection : Json::object();
    for (const SourceField& field : source.connection) {
        const bool given = out.contains(field.name) && !out[field.name].is_null() && out[field.name] != "";
        if (given) continue;
        if (field.default_value)
            out[field.name] = *field.default_value;
        else if (field.required)
            throw Error(ErrorClass::Permanent, "the connection of type " + source.source + " lacks '" + field.name + "'",
                        field.description.empty() ? "set it in millrace.yaml or the environment" : field.description);
        else
            out[field.name] = nullptr;
    }
    return out;
}

SecretMask::SecretMask(const SourceSpec& source, const Json& connection) {
    for (const SourceField& field : source.connection) {
        if (!field.secret || !connection.contains(field.name) || !connection[field.name].is_string()) continue;
        const auto value = connection[field.name].get<std::string>();
        if (value.empty()) continue;
        secrets_.push_back(value);
        if (percent_encoded(value) != value) secrets_.push_back(percent_encoded(value));
    }
}

std::string SecretMask::operator()(std::string text) const {
    for (const std::string& secret : secrets_)
        for (auto at = text.find(secret); at != std::string::npos; at = text.find(secret, at + 3)) text.replace(at, secret.size(), "***");
    return text;
}

} // namespace millrace
