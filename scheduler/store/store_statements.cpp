// All that the pool of connections prepares for Store.
#include "scheduler/store/store_statements.hpp"

#include "scheduler/store/breaches.hpp"
#include "scheduler/store/credentials.hpp"
#include "scheduler/store/periods.hpp"
#include "scheduler/store/store.hpp"

namespace millrace {

const std::vector<Statement>& store_statements() {
    static const auto all = [] {
        auto both = store_node_statements();
        both.insert(both.end(), store_run_statements().begin(), store_run_statements().end());
        both.insert(both.end(), store_request_statements().begin(), store_request_statements().end());
        both.insert(both.end(), store_flow_statements().begin(), store_flow_statements().end());
        both.insert(both.end(), slot_statements().begin(), slot_statements().end());
        both.insert(both.end(), breach_statements().begin(), breach_statements().end());
        both.insert(both.end(), credential_statements().begin(), credential_statements().end());
        both.insert(both.end(), period_statements().begin(), period_statements().end());
        return both;
    }();
    return all;
}

} // namespace millrace
