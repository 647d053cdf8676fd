#include "daemon/secrets.hpp"

#include "flows/error.hpp"
#include "flows/substitute.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace millrace {
namespace {

std::optional<std::string> read_text(const std::filesystem::path& file) {
    std::ifstream stream(file, std::ios::binary);
    if (!stream) return std::nullopt;
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

std::string unquoted(const std::string& value) {
    if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'')) {
        if (const auto end = value.find(value.front(), 1); end != std::string::npos) return value.substr(1, end - 1);
    }
    const auto comment = value.find(" #");
    return trimmed(comment == std::string::npos ? value : value.substr(0, comment));
}

bool is_variable_name(const std::string& name) {
    return !name.empty() && name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos;
}

} // namespace

std::map<std::string, std::string> parse_env_file(const std::string& text, const std::string& name) {
    std::map<std::string, std::string> values;
    std::istringstream lines(text);
    std::string line;
    for (int number = 1; std::getline(lines, line); ++number) {
        line = trimmed(line);
        if (line.empty() || line.front() == '#') continue;
        if (line.starts_with("export ")) line = trimmed(line.substr(7));
        const auto equals = line.find('=');
        const auto variable = trimmed(line.substr(0, equals));
        if (equals == std::string::npos || !is_variable_name(variable))
            throw Error(ErrorClass::Permanent, fmt::format("{}:{}: this is not NAME=value", name, number), "write one NAME=value per line");
        values[variable] = unquoted(trimmed(line.substr(equals + 1)));
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
