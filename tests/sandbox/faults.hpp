#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http.hpp"

namespace millrace::sandbox {

/// One fault: what goes wrong, and which requests it meets.
struct Fault {
    std::string kind;
    std::string path; ///< part of the path; empty: every one
    std::string body; ///< part of the request's body
    std::string method;
    std::optional<std::uint64_t> page;
    std::optional<std::uint64_t> nth;      ///< only the n-th request that fits, from 1
    std::optional<std::uint64_t> from_nth; ///< that one and all later ones
    std::uint64_t every = 1;
    std::optional<std::uint64_t> times; ///< at most so often
    double probability = 1;
    std::map<std::string, std::string> settings; ///< of the kind
    std::uint64_t fits = 0, fired = 0;

    [[nodiscard]] std::string text(const std::string& name, std::string otherwise = "") const;
    [[nodiscard]] std::uint64_t number(const std::string& name, std::uint64_t otherwise) const;
};

/// What the request was, in the terms that faults match.
struct Subject {
    const Request& request;
    std::uint64_t page = 1;
};

/// The faults that are switched on. Which requests they meet depends on the seed and the order of requests only.
class Faults {
public:
    /// `KIND[:name=value,...][;KIND...]`, see fault_help(). Throws std::invalid_argument naming the part that is wrong.
    static std::vector<Fault> parse(std::string_view spec);

    explicit Faults(std::uint64_t seed) : seed_(seed) {}
    void set(std::vector<Fault> faults) { faults_ = std::move(faults); }
    void add(std::vector<Fault> faults);
    void clear() { faults_.clear(); }
    [[nodiscard]] const std::vector<Fault>& all() const { return faults_; }

    /// Those that meet this request, in the order of the spec.
    std::vector<Fault> meeting(const Subject& subject);

private:
    std::uint64_t seed_;
    std::vector<Fault> faults_;
};

/// Every kind with its settings, for --help.
std::string_view fault_help();

/// Whether `fault` answers instead of the service, and how.
std::optional<Response> answer_instead(const Fault& fault);
/// Changes the answer, or how it travels.
void distort(const Fault& fault, Response& response, Delivery& delivery);

} // namespace millrace::sandbox
