#include "daemon/secrets.hpp"

#include "flows/error.hpp"
#include "flows/substitute.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string_view>

namespace millrace {
namespace {

/// Nothing where there is no such file. Throws where there is one that cannot be read: its secrets must not count as not set.
std::optional<std::string> read_text(const std::filesystem::path& file) {
    std::ifstream stream(file, std::ios::binary);
    if (!stream && (errno == ENOENT || errno == ENOTDIR)) return std::nullopt;
    if (!stream || std::filesystem::is_directory(file)) // which opens, and reads as empty
        throw Error(ErrorClass::Permanent, fmt::format("cannot read {}: {}", file.string(), std::strerror(stream ? EISDIR : errno)),
                    "let the user that the daemon runs as read it, or move it away");
    std::ostringstream text;
    text << stream.rdbuf();
    return text.str();
}

/// A secret's file often ends with the newline that an editor adds.
std::optional<std::string> read_secret(const std::filesystem::path& file) {
    auto text = read_text(file);
    while (text && !text->empty() && (text->back() == '\n' || text->back() == '\r')) text->pop_back();
    return text;
}

std::optional<std::string> environment(const std::string& name) {
    const char* value = std::getenv(name.c_str());
    if (!value || !*value) return std::nullopt;
    return value;
}

std::string trimmed(const std::string& text) {
    const auto first = text.find_first_not_of(" \t\r");
    return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

struct Unquoted {
    std::string value;
    const char* mistake = nullptr;
};

Unquoted unquoted(const std::string& written) {
    if (written.empty() || (written.front() != '"' && written.front() != '\'')) {
        const auto comment = written.find(" #");
        return {trimmed(comment == std::string::npos ? written : written.substr(0, comment))};
    }
    const auto end = written.find(written.front(), 1);
    if (end == std::string::npos) return {"", "the quote is not closed"};
    const auto rest = trimmed(written.substr(end + 1));
    if (!rest.empty() && rest.front() != '#') return {"", "something follows the closing quote"};
    return {written.substr(1, end - 1)};
}

constexpr std::string_view byte_order_mark = "\xef\xbb\xbf"; // what Windows' editors put in front

bool is_variable_name(const std::string& name) {
    return !name.empty() && name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos;
}

} // namespace

std::map<std::string, std::string> parse_env_file(const std::string& text, const std::string& name) {
    std::map<std::string, std::string> values;
    std::istringstream lines(text.starts_with(byte_order_mark) ? text.substr(byte_order_mark.size()) : text);
    std::string line;
    for (int number = 1; std::getline(lines, line); ++number) {
        line = trimmed(line);
        if (line.empty() || line.front() == '#') continue;
        if (line.starts_with("export ")) line = trimmed(line.substr(7));
        const auto equals = line.find('=');
        const auto variable = trimmed(line.substr(0, equals));
        if (equals == std::string::npos || !is_variable_name(variable))
            throw Error(ErrorClass::Permanent, fmt::format("{}:{}: this is not NAME=value", name, number), "write one NAME=value per line");
        auto [value, mistake] = unquoted(trimmed(line.substr(equals + 1)));
        if (mistake != nullptr)
            throw Error(ErrorClass::Permanent, fmt::format("{}:{}: {}: {}", name, number, variable, mistake),
                        "write NAME=\"value\" in one line");
        values[variable] = std::move(value);
    }
    return values;
}

std::optional<std::string> Secrets::find(const std::string& name) const {
    if (!is_variable_name(name)) return std::nullopt;
    if (auto value = environment(name)) return value;
    if (const auto file = environment(name + "_FILE")) return read_secret(*file);
    if (const auto text = read_text(env_file_)) {
        const auto values = parse_env_file(*text, env_file_.string());
        if (const auto found = values.find(name); found != values.end() && !found->second.empty()) return found->second;
    }
    if (const auto folder = environment("CREDENTIALS_DIRECTORY"))
        if (auto value = read_secret(std::filesystem::path(*folder) / name)) return value;
    return read_secret(std::filesystem::path("/run/secrets") / name);
}

std::optional<std::string> Secrets::fill(const std::string& text, std::string& missing) const {
    std::string filled;
    std::size_t done = 0;
    for (const auto& reference : references(text)) {
        const auto name = reference.name.substr(reference.name.find('.') + 1);
        const auto value = find(name);
        if (!value) {
            missing = name;
            return std::nullopt;
        }
        filled += text.substr(done, reference.offset - done) + *value;
        done = reference.offset + reference.length;
    }
    filled += text.substr(done);
    return filled;
}

std::string Secrets::remedy(const std::string& name) const {
    return fmt::format("set {} in the environment or in {}, or give it as a systemd credential", name, env_file_.string());
}

} // namespace millrace
