#include "daemon/cli/daemon_findings.hpp"

#include "daemon/cli/format.hpp"

#include <fmt/format.h>

namespace millrace {
namespace {

using Findings = std::vector<Finding>;

void look_at_durability(const Json& facts, Findings& findings) {
    if (text_of(facts.value("store", Json::object()), "fsync") == "off")
        findings.push_back({"store", true,
                            "its PostgreSQL has fsync off: a crash of the machine may lose what was acknowledged, or damage the store",
                            "write fsync = on in its postgresql.conf and reload it"});
}

} // namespace

Findings daemon_findings(const Json& facts) {
    Findings findings;
    look_at_durability(facts, findings);
    return findings;
}

} // namespace millrace
