/// The built dashboard: a page and its assets, read once at the start and served from memory.
#pragma once

#include "web/http.hpp"

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace millrace {

class Dashboard {
public:
    /// Reads `folder`/index.html and `folder`/assets. A folder that is not there makes a page that says so.
    explicit Dashboard(const std::filesystem::path& folder);

    /// `<executable>/../share/millrace/dashboard`, where both the build and the installation put it.
    [[nodiscard]] static std::filesystem::path default_folder();

    /// The page, or 304 where the client has it already (`if_none_match`).
    [[nodiscard]] Response page(std::string_view if_none_match) const;
    /// Its name holds a hash of its content, so a browser may keep it forever. Nothing for an unknown name.
    [[nodiscard]] std::optional<Response> asset(const std::string& name) const;

private:
    struct File {
        std::string content, type;
    };
    File page_;
    std::string page_tag_;
    std::map<std::string, File> assets_;
};

} // namespace millrace
