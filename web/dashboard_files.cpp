#include "web/dashboard_files.hpp"

#include "flows/hash.hpp"

#include <fstream>
#include <iterator>

namespace millrace {

namespace {

constexpr const char* missing_page = R"(<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Millrace</title>
<p>The daemon runs, but its dashboard was not built. Build the target <code>dashboard</code>, or install the package.
The API is at <a href="/api/v1/openapi.json">/api/v1</a>.</p></html>
)";

/// Nothing from elsewhere, nothing inline, no frame around it.
constexpr const char* content_security =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

std::string type_of(const std::filesystem::path& file) {
    const std::string extension = file.extension();
    if (extension == ".html") return "text/html; charset=utf-8";
    if (extension == ".js") return "text/javascript; charset=utf-8";
    if (extension == ".css") return "text/css; charset=utf-8";
    if (extension == ".svg") return "image/svg+xml";
    if (extension == ".png") return "image/png";
    return "application/octet-stream";
}

std::string content_of(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
}

} // namespace

std::filesystem::path Dashboard::default_folder() {
    std::error_code error;
    const auto executable = std::filesystem::read_symlink("/proc/self/exe", error);
    return executable.parent_path().parent_path() / "share" / "millrace" / "dashboard";
}

Dashboard::Dashboard(const std::filesystem::path& folder) {
    std::error_code error;
    page_.type = type_of("index.html");
    page_.content = content_of(folder / "index.html");
    if (page_.content.empty()) page_.content = missing_page;
    page_tag_ = '"' + sha256_hex(page_.content).substr(0, 16) + '"';
    for (const auto& entry : std::filesystem::directory_iterator(folder / "assets", error)) {
        if (!entry.is_regular_file(error)) continue;
        File file;
        file.content = content_of(entry.path());
        file.type = type_of(entry.path());
        assets_.emplace(entry.path().filename(), std::move(file));
    }
}

Response Dashboard::page(std::string_view if_none_match) const {
    Response response;
    response.headers.emplace_back("ETag", page_tag_);
    response.headers.emplace_back("Cache-Control", "no-cache");
    response.headers.emplace_back("Content-Security-Policy", content_security);
    if (if_none_match == page_tag_) {
        response.status = 304;
        return response;
    }
    response.content_type = page_.type;
    response.body = page_.content;
    return response;
}

std::optional<Response> Dashboard::asset(const std::string& name) const {
    const auto found = assets_.find(name);
    if (found == assets_.end()) return std::nullopt;
    Response response;
    response.content_type = found->second.type;
    response.body = found->second.content;
    response.headers.emplace_back("Cache-Control", "public, max-age=31536000, immutable");
    return response;
}

} // namespace millrace
