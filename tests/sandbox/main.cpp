#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <iostream>
#include <optional>
#include <stdexcept>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "server.hpp"

/// millrace-sandbox: its command line.
namespace {

using namespace millrace::sandbox;

constexpr const char* usage =
    "millrace-sandbox: simulates the services that flows read, on one port\n\n"
    "  --port P            listen there (0: a free one; then `ready PORT` tells which)\n"
    "  --port-file FILE    write the port into this file when ready\n"
    "  --env-file FILE     write the variables of a client of the first workspace into this file when ready\n"
    "  --address A         listen on this address (127.0.0.1)\n"
    "  --seed S            other data, other faults (1)\n"
    "  --scale N           this many time entries, up to 10000000 (default: what 50 people book)\n"
    "  --people N  --projects N  --days N     size of the company (50, 200, 84 days before today)\n"
    "  --today DATE        the last day that is booked (today in UTC)\n"
    "  --zone NAME         time zone of the account (Europe/Berlin)\n"
    "  --api-key KEY       key of the first workspace (sandbox-key); the second one's is KEY-2, and so on\n"
    "  --workspaces N      how many (2)\n"
    "  --rate N            requests a second of one key before 429 (50; 0: no limit)\n"
    "  --retry-after S     header Retry-After of that 429: seconds, `date` or `date+SECONDS` (none)\n"
    "  --cache MB          keep so much of detailed reports, for measurements in which this program should cost little "
    "(0)\n"
    "  --latency MS        every answer waits that long\n"
    "  --no-untagged-group summaries have no group for entries without a tag\n"
    "  --free-plan         reports over more than 31 days are refused\n"
    "  --faults FAULTS     what goes wrong\n\n";

struct Options {
    SandboxSettings sandbox;
    std::uint16_t port = 0;
    std::string port_file, env_file, address = "127.0.0.1";
};

std::uint64_t whole(const std::string& name, const std::string& value, std::uint64_t most) {
    std::size_t used = 0;
    std::uint64_t number = 0;
    try {
        number = std::stoull(value, &used);
    } catch (const std::exception&) {
        used = 0;
    }
    if (used != value.size() || value.empty() || value.front() == '-' || number > most)
        throw std::invalid_argument(fmt::format("{} {}: expected a whole number up to {}", name, value, most));
    return number;
}

Options options_of(int count, char** arguments) {
    Options options;
    ClockifySettings& clockify = options.sandbox.clockify;
    clockify.today = floor_day(std::time(nullptr));
    for (int at = 1; at < count; ++at) {
        std::string name = arguments[at];
        std::optional<std::string> given;
        if (const auto equals = name.find('='); equals != std::string::npos) {
            given = name.substr(equals + 1);
            name.resize(equals);
        }
        if (name == "--no-untagged-group")
            clockify.untagged_groups = false;
        else if (name == "--free-plan")
            clockify.free_plan = true;
        else {
            if (!given && at + 1 == count) throw std::invalid_argument(fmt::format("{}: unknown, or without a value", name));
            const std::string value = given ? *given : arguments[++at];
            if (name == "--port")
                options.port = static_cast<std::uint16_t>(whole(name, value, 65535));
            else if (name == "--port-file")
                options.port_file = value;
            else if (name == "--env-file")
                options.env_file = value;
            else if (name == "--address")
                options.address = value;
            else if (name == "--seed")
                clockify.seed = options.sandbox.seed = whole(name, value, ~std::uint64_t{0});
            else if (name == "--scale")
                clockify.entries = whole(name, value, 10'000'000);
            else if (name == "--people")
                clockify.people = static_cast<int>(whole(name, value, 1'000'000));
            else if (name == "--projects")
                clockify.projects = static_cast<int>(whole(name, value, 1'000'000));
            else if (name == "--days")
                clockify.days = static_cast<int>(whole(name, value, 36500));
            else if (name == "--today") {
                const auto day = parse_date(value);
                if (!day) throw std::invalid_argument(fmt::format("--today {}: expected a date like 2026-11-20", value));
                clockify.today = *day;
            } else if (name == "--zone")
                clockify.zone = value;
            else if (name == "--api-key")
                clockify.api_key = value;
            else if (name == "--workspaces")
                clockify.workspaces = static_cast<int>(std::max<std::uint64_t>(1, whole(name, value, 200)));
            else if (name == "--rate")
                options.sandbox.rate = whole(name, value, 1'000'000'000);
            else if (name == "--retry-after")
                options.sandbox.retry_after = value;
            else if (name == "--cache")
                clockify.cache_bytes = whole(name, value, 1'000'000) << 20;
            else if (name == "--latency")
                options.sandbox.latency = std::chrono::milliseconds(whole(name, value, 3'600'000));
            else if (name == "--faults")
                options.sandbox.faults = Faults::parse(value);
            else
                throw std::invalid_argument(fmt::format("{}: unknown option", name));
        }
    }
    return options;
}

/// Writes a file that only its owner may read; nobody sees half of it.
void write_whole(const std::string& path, const std::string& text) {
    const std::string unfinished = path + ".new";
    const int file = ::open(unfinished.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    const bool written = file >= 0 && ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    if (file >= 0) ::close(file);
    if (!written || std::rename(unfinished.c_str(), path.c_str()) != 0)
        throw std::runtime_error(fmt::format("{}: cannot be written: {}", path, std::strerror(errno)));
}

std::string environment(Sandbox& sandbox, std::uint16_t port) {
    const Workspace& workspace = *sandbox.clockify().workspaces().front();
    return fmt::format("CLOCKIFY_API_KEY={0}\nCLOCKIFY_WORKSPACE_ID={1}\nCLOCKIFY_API_URL=http://127.0.0.1:{2}/api/v1\n"
                       "CLOCKIFY_REPORTS_URL=http://127.0.0.1:{2}/v1\nSANDBOX_URL=http://127.0.0.1:{2}\n",
                       workspace.key, workspace.id, port);
}

} // namespace

int main(int count, char** arguments) {
    for (int at = 1; at < count; ++at) {
        if (std::string_view(arguments[at]) == "--help") {
            std::cout << usage << fault_help();
            return 0;
        }
    }
    try {
        const Options options = options_of(count, arguments);
        Sandbox sandbox(options.sandbox);
        serve(sandbox, options.address, options.port, [&](std::uint16_t port) {
            if (!options.port_file.empty()) write_whole(options.port_file, fmt::format("{}\n", port));
            if (!options.env_file.empty()) write_whole(options.env_file, environment(sandbox, port));
            std::cout << "ready " << port << std::endl;
        });
        return 0;
    } catch (const std::invalid_argument& error) {
        std::cerr << "millrace-sandbox: " << error.what() << "\n(millrace-sandbox --help lists the options)\n";
        return 2;
    } catch (const std::exception& error) {
        std::cerr << "millrace-sandbox: " << error.what() << '\n';
        return 1;
    }
}
