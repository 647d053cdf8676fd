#include "connectors/http/http_client.hpp"

#include "flows/letters.hpp"

#include <curl/curl.h>
#include <memory>

namespace millrace {
namespace {

using Url = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

Url parsed(const std::string& text) {
    Url url(curl_url(), curl_url_cleanup);
    if (!url || curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) url.reset();
    return url;
}

std::string part(const Url& url, CURLUPart which, unsigned flags = 0) {
    char* text = nullptr;
    if (curl_url_get(url.get(), which, &text, flags) != CURLUE_OK) return {};
    const std::string copy = text;
    curl_free(text);
    return copy;
}

} // namespace

std::string origin_of(const std::string& text) {
    const Url url = parsed(text);
    if (!url) return {};
    return lower_case(part(url, CURLUPART_SCHEME) + "://" + part(url, CURLUPART_HOST) + ":" +
                      part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT));
}

std::string resolve_location(const std::string& base, const std::string& location) {
    const Url url = parsed(base);
    if (!url || curl_url_set(url.get(), CURLUPART_URL, location.c_str(), 0) != CURLUE_OK) return location;
    return part(url, CURLUPART_URL);
}

std::string percent_encoded(std::string_view text) {
    static constexpr char digits[] = "0123456789ABCDEF";
    std::string out;
    for (const unsigned char c : text) {
        const bool plain =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
        if (plain) {
            out += static_cast<char>(c);
        } else {
            out += '%';
            out += digits[c >> 4];
            out += digits[c & 15];
        }
    }
    return out;
}

} // namespace millrace
