/// Where `${secret.NAME}` and `${env.NAME}` come from. Nothing is kept: every look-up reads anew, so that a rotated key
/// counts at once. Values go to connections only; they are never logged.
///
/// In this order: the environment, the file that the environment names in NAME_FILE, the `.env` beside millrace.yaml,
/// systemd's credentials ($CREDENTIALS_DIRECTORY/NAME), /run/secrets/NAME.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

namespace millrace {

class Secrets {
public:
    explicit Secrets(std::filesystem::path project_folder) : env_file_(std::move(project_folder) / ".env") {}

    [[nodiscard]] std::optional<std::string> find(const std::string& name) const;
    /// The text with its references filled in; nothing when one of them is not set and `missing` is told its name.
    /// Throws std::invalid_argument for an unclosed `${`.
    [[nodiscard]] std::optional<std::string> fill(const std::string& text, std::string& missing) const;
    /// What to tell a person who lacks `name`.
    [[nodiscard]] std::string remedy(const std::string& name) const;

    [[nodiscard]] const std::filesystem::path& env_file() const { return env_file_; }

private:
    std::filesystem::path env_file_;
};

/// The lines `NAME=value` of a .env file: `export ` in front, quotes around and comments are understood, nothing is expanded.
/// Throws Error{Permanent} with the line of a mistake.
[[nodiscard]] std::map<std::string, std::string> parse_env_file(const std::string& text, const std::string& name);

} // namespace millrace
