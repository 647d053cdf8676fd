#include "web/api/api.hpp"

#include "flows/version.hpp"

namespace millrace::handlers {

awaitable<Response> healthz(Api&, const Request&) {
    Json document = Json::object();
    document["status"] = "ok";
    document["version"] = version;
    co_return json_response(document);
}

namespace {

/// {"le": [[bound, how many are no more], ...], "sum": , "count": } as OpenMetrics wants it.
std::string histogram_text(const std::string& family, const Json& figure) {
    std::string out = "# TYPE " + family + " histogram\n";
    const auto count = figure.at("count").dump();
    for (const auto& bucket : figure.at("le")) out += family + "_bucket{le=\"" + bucket[0].dump() + "\"} " + bucket[1].dump() + "\n";
    return out + family + "_bucket{le=\"+Inf\"} " + count + "\n" + family + "_sum " + figure.at("sum").dump() + "\n" + family + "_count " +
           count + "\n";
}

/// By asking it: a figure would tell of the past.
awaitable<bool> store_answers(Api& api) {
    try {
        (void)co_await api.read_models.nodes();
    } catch (const Refusal&) {
        co_return false;
    }
    co_return true;
}

} // namespace

/// Ready: the store answers, and the journal's commits keep this node's lease.
awaitable<Response> readyz(Api& api, const Request&) {
    const bool store = co_await store_answers(api);
    const Json figures = api.read_models.figures();
    const bool journal = figures.value("journal_alive", 0) != 0;
    Json document = Json::object();
    document["ready"] = store && journal;
    document["store_reachable"] = store;
    document["journal_alive"] = journal;
    Response response = json_response(document, store && journal ? 200 : 503);
    if (response.status == 503) response.headers.emplace_back("Retry-After", "1");
    co_return response;
}

/// Every number is a gauge but those that end in _total, which are counters; what has buckets is a histogram.
awaitable<Response> show_metrics(Api& api, const Request&) {
    Response response;
    response.content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    const Json figures = api.read_models.figures();
    for (const auto& [name, value] : figures.items()) {
        if (value.is_object()) response.body += histogram_text("millrace_" + name, value);
        if (!value.is_number()) continue;
        const bool counts = name.ends_with("_total");
        const std::string family = "millrace_" + (counts ? name.substr(0, name.size() - 6) : name);
        response.body += "# TYPE " + family + (counts ? " counter\n" : " gauge\n");
        response.body += "millrace_" + name + " " + value.dump() + "\n";
    }
    response.body += "# EOF\n";
    co_return response;
}

} // namespace millrace::handlers
