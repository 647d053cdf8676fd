/// The kinds of targets, by the `type` of their connection: the one table. A new kind is a folder with its Target and a line here.
#include "connectors/targets/postgres/postgres_target.hpp"
#include "connectors/targets/target.hpp"
#include "flows/error.hpp"

#include <utility>

namespace millrace {

std::unique_ptr<Target> open_target(const std::string& name, const Json& connection) {
    using Open = std::unique_ptr<Target> (*)(const std::string&, const Json&);
    static constexpr std::pair<std::string_view, Open> kinds[] = {
        {"postgres", postgres::open},
    };
    const std::string type = connection.value("type", "");
    for (const auto& [known, open] : kinds)
        if (known == type) return open(name, connection);
    std::string all;
    for (const auto& [known, open] : kinds) all += (all.empty() ? "" : ", ") + std::string(known);
    throw Error(ErrorClass::Permanent, "connection " + name + " is of type '" + type + "', which cannot be loaded into yet",
                "targets here: " + all);
}

} // namespace millrace
