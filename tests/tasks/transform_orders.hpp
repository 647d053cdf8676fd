/// Transforms as a test orders them.
#pragma once

#include "tests/tasks/host_process.hpp"

namespace millrace::test {

inline AttemptDone transform(HostProcess& host, const TempFolder& run, const std::string& task, const std::string& sql,
                             const Json& contract = Json::object(), const std::map<std::string, std::string>& inputs = {}) {
    AttemptOrder order = order_for(run, task, "transform", {{"sql", sql}, {"contract", contract}});
    order.inputs = inputs;
    return host.attempt(order);
}

inline Json column(const std::string& name, const std::string& type, Json more = Json::object()) {
    more["name"] = name;
    more["type"] = type;
    return more;
}

} // namespace millrace::test
