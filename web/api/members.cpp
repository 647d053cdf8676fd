#include "web/api/members.hpp"

#include "flows/source_text.hpp"

#include <algorithm>

namespace millrace {

namespace {

const Json* present(const Json& document, std::string_view name) {
    const auto found = document.find(std::string(name));
    return found == document.end() || found->is_null() ? nullptr : &*found;
}

[[noreturn]] void wrong_type(const Json& value, std::string_view name, std::string_view expected) {
    throw Problem(422, "'" + std::string(name) + "' is a JSON " + value.type_name() + ", not " + std::string(expected));
}

} // namespace

void only_members(const Json& document, std::initializer_list<std::string_view> known) {
    for (const auto& [name, value] : document.items()) {
        if (std::find(known.begin(), known.end(), name) != known.end()) continue;
        std::string all;
        for (const std::string_view member : known) all += (all.empty() ? "" : ", ") + std::string(member);
        throw Problem(422, "'" + name + "' is no member of this request", all.empty() ? "it takes an empty object" : "it takes " + all);
    }
}

std::string text_member(const Json& document, std::string_view name) {
    const Json* value = present(document, name);
    if (!value) return {};
    if (!value->is_string()) wrong_type(*value, name, "a string");
    return value->get<std::string>();
}

bool flag_member(const Json& document, std::string_view name) {
    const Json* value = present(document, name);
    if (!value) return false;
    if (!value->is_boolean()) wrong_type(*value, name, "true or false");
    return value->get<bool>();
}

std::optional<std::int64_t> integer_member(const Json& document, std::string_view name) {
    const Json* value = present(document, name);
    if (!value) return std::nullopt;
    if (!value->is_number_integer()) wrong_type(*value, name, "a whole number");
    return value->get<std::int64_t>();
}

std::vector<std::string> texts_member(const Json& document, std::string_view name) {
    std::vector<std::string> texts;
    const Json* value = present(document, name);
    if (!value) return texts;
    if (!value->is_array()) wrong_type(*value, name, "a list of strings");
    for (const Json& element : *value) {
        if (!element.is_string()) wrong_type(element, name, "a string in each place");
        texts.push_back(element.get<std::string>());
    }
    return texts;
}

Json object_member(const Json& document, std::string_view name) {
    const Json* value = present(document, name);
    if (!value) return Json::object();
    if (!value->is_object()) wrong_type(*value, name, "an object");
    return *value;
}

std::string idempotency_key(const Request& request, const Json& body) {
    constexpr std::size_t longest_key = 255;
    const std::string in_header(request.header("idempotency-key"));
    const std::string in_body = text_member(body, "idempotency_key");
    const auto& headers = request.headers;
    const bool has_header = std::any_of(headers.begin(), headers.end(), [](const auto& h) { return h.first == "idempotency-key"; });
    if ((has_header && in_header.empty()) || (present(body, "idempotency_key") && in_body.empty())) // one of a variable that is not set
        throw Problem(422, "the idempotency key is empty", "give one, or leave it out");
    if (!in_header.empty() && !in_body.empty() && in_header != in_body)
        throw Problem(422, "the header Idempotency-Key and the member idempotency_key differ", "send one of them");
    const std::string key = in_header.empty() ? in_body : in_header;
    if (key.size() > longest_key)
        throw Problem(422, "the idempotency key has " + std::to_string(key.size()) + " bytes, at most 255 are allowed");
    // The store would keep another text, and two keys could become one.
    const bool has_control = std::any_of(key.begin(), key.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; });
    if (has_control || invalid_utf8(key) != std::string_view::npos)
        throw Problem(422, "the idempotency key holds a control character or is not UTF-8", "letters, digits and '-' will do");
    return key;
}

} // namespace millrace
