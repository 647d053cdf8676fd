#include "faults.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <stdexcept>

#include <fmt/format.h>

#include "mix.hpp"

namespace millrace::sandbox {

namespace {

struct Kind {
    std::string_view name, settings, help;
};

constexpr std::array kinds{
    Kind{"status", "code retry_after", "this status with the service's error body; retry_after: seconds, `date` or `date+SECONDS`"},
    Kind{"refuse", "", "the connection ends without an answer"},
    Kind{"reset", "after", "RST in the middle of the body; after: bytes (default half)"},
    Kind{"close", "after", "the connection ends in the middle of the body, as if it were complete"},
    Kind{"truncate", "after", "200 with a body that stops in the middle, and a Content-Length that fits it"},
    Kind{"html", "", "200 with an HTML page (a proxy, a login form)"},
    Kind{"delay", "ms", "the answer waits"},
    Kind{"drip", "bytes ms", "the answer comes so many bytes at a time (16), so many ms apart (100)"},
    Kind{"repeat_page", "", "the page before, again"},
    Kind{"endless", "", "pages past the end repeat the last full one and say that more follow"},
    Kind{"arrive", "count", "so many new entries (1) at the front before this answer, so that pages shift"},
    Kind{"vanish", "count", "so many entries (1) are deleted at the front before this answer"},
    Kind{"wrong_type", "field value row", "a field of one record (dotted name, default timeInterval.duration) holds this text (n/a)"},
    Kind{"null_field", "field row", "a field of one record is null (default _id or id)"},
    Kind{"drop_field", "field", "a field is gone from every record"},
    Kind{"add_field", "field value", "every record has a field more"},
    Kind{"duplicate", "differing", "the first record comes twice in the page; differing=1: with another text"},
    Kind{"empty", "", "200 with no records, as after a change of permissions"},
    Kind{"wrong_total", "by", "the announced count of entries is higher by so many (7; may be negative)"},
    Kind{"no_last_page", "", "without the header Last-Page"},
    Kind{"bad_utf8", "", "a byte that is no UTF-8 within the first text"},
    Kind{"huge", "mb", "so many megabytes (64) of blanks before the end of the body"},
};

constexpr std::array matchers{"path", "body", "method", "page", "nth", "from_nth", "every", "times", "p"};

const Kind* kind_named(std::string_view name) {
    const auto at = std::find_if(kinds.begin(), kinds.end(), [&](const Kind& kind) { return kind.name == name; });
    return at == kinds.end() ? nullptr : &*at;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    while (true) {
        const std::size_t at = text.find(separator);
        parts.push_back(text.substr(0, at));
        if (at == std::string_view::npos) return parts;
        text.remove_prefix(at + 1);
    }
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
    return text;
}

std::uint64_t whole(std::string_view name, std::string_view value) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc{} || end != value.data() + value.size())
        throw std::invalid_argument(fmt::format("{}={}: not a whole number", name, value));
    return number;
}

void set_option(Fault& fault, const Kind& kind, std::string_view name, std::string_view value) {
    if (name == "path")
        fault.path = value;
    else if (name == "body")
        fault.body = value;
    else if (name == "method")
        fault.method = value;
    else if (name == "page")
        fault.page = whole(name, value);
    else if (name == "nth")
        fault.nth = whole(name, value);
    else if (name == "from_nth")
        fault.from_nth = whole(name, value);
    else if (name == "every")
        fault.every = std::max<std::uint64_t>(1, whole(name, value));
    else if (name == "times")
        fault.times = whole(name, value);
    else if (name == "p")
        fault.probability = std::stod(std::string(value));
    else {
        const auto known = split(kind.settings, ' ');
        if (std::find(known.begin(), known.end(), name) == known.end()) {
            throw std::invalid_argument(fmt::format("{} is no setting of the fault {} (it has: {}; every fault has: {})", name, kind.name,
                                                    kind.settings.empty() ? "none" : kind.settings, fmt::join(matchers, " ")));
        }
        fault.settings.emplace(name, value);
    }
}

Fault parse_one(std::string_view text) {
    const std::size_t colon = text.find(':');
    const std::string_view name = trimmed(text.substr(0, colon));
    Fault fault;
    const bool is_status = name.size() == 3 && std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
    fault.kind = is_status ? "status" : name;
    if (is_status) fault.settings["code"] = name;
    const Kind* kind = kind_named(fault.kind);
    if (!kind) throw std::invalid_argument(fmt::format("{} is no fault", name));
    if (colon == std::string_view::npos) return fault;
    for (std::string_view part : split(text.substr(colon + 1), ',')) {
        part = trimmed(part);
        const std::size_t equals = part.find('=');
        if (equals == std::string_view::npos) throw std::invalid_argument(fmt::format("{}: expected name=value", part));
        set_option(fault, *kind, trimmed(part.substr(0, equals)), trimmed(part.substr(equals + 1)));
    }
    return fault;
}

std::string make_help() {
    std::string text = "FAULTS is KIND[:name=value,...][;KIND...]; a three-digit KIND is a status (429, 503).\n"
                       "Which requests: path=PART body=PART method=M page=N nth=N from_nth=N every=N times=N p=PROBABILITY (seeded)\n";
    for (const Kind& kind : kinds) text += fmt::format("  {:<13} {:<17} {}\n", kind.name, kind.settings, kind.help);
    text += "Example: 429:path=/reports/,nth=3,retry_after=2;reset:page=2,times=1\n";
    return text;
}

} // namespace

std::string Fault::text(const std::string& name, std::string otherwise) const {
    const auto at = settings.find(name);
    return at == settings.end() ? std::move(otherwise) : at->second;
}

std::uint64_t Fault::number(const std::string& name, std::uint64_t otherwise) const {
    const auto at = settings.find(name);
    return at == settings.end() ? otherwise : whole(name, at->second);
}

std::vector<Fault> Faults::parse(std::string_view spec) {
    std::vector<Fault> faults;
    for (std::string_view part : split(spec, ';')) {
        if (!trimmed(part).empty()) faults.push_back(parse_one(trimmed(part)));
    }
    return faults;
}

void Faults::add(std::vector<Fault> faults) {
    faults_.insert(faults_.end(), std::make_move_iterator(faults.begin()), std::make_move_iterator(faults.end()));
}

std::vector<Fault> Faults::meeting(const Subject& subject) {
    std::vector<Fault> found;
    for (std::size_t at = 0; at < faults_.size(); ++at) {
        Fault& fault = faults_[at];
        if (subject.request.path.find(fault.path) == std::string::npos || subject.request.body.find(fault.body) == std::string::npos)
            continue;
        if (!fault.method.empty() && fault.method != subject.request.method) continue;
        if (fault.page && *fault.page != subject.page) continue;
        ++fault.fits;
        if (fault.nth && *fault.nth != fault.fits) continue;
        if (fault.from_nth && fault.fits < *fault.from_nth) continue;
        if (fault.fits % fault.every != 0 || (fault.times && fault.fired >= *fault.times)) continue;
        if (fault.probability < 1 && mix(mix(seed_, at), fault.fits) >= threshold(fault.probability)) continue;
        ++fault.fired;
        found.push_back(fault);
    }
    return found;
}

std::string_view fault_help() {
    static const std::string text = make_help();
    return text;
}

} // namespace millrace::sandbox
