#include "connectors/http/extraction.hpp"

#include "connectors/http/slice_worker.hpp"
#include "flows/hash.hpp"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <set>
#include <thread>

namespace millrace {
namespace {

namespace fs = std::filesystem;

constexpr int most_workers = 32;

/// The same slice has the same id in every attempt; a spec that changed has other slices.
std::string slice_id(const ExtractionPlan& plan, const Slice& slice, const RequestBuilder& request) {
    std::string text = plan.resource.name + "\n" + request.identity() + "\n" +
                       Json(slice.values).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    if (slice.window) text += to_rfc3339(slice.window->start) + " " + to_rfc3339(slice.window->end) + "\n";
    if (slice.item) text += slice.item_hash + "\n";
    for (const SourceColumn& c : plan.resource.columns) text += c.name + " " + c.type + (c.nullable ? " null" : "") + "\n";
    for (const std::string& name : plan.resource.rounded) text += name + " rounded\n";
    text += fmt::format("{} {} {}", plan.on_drift, plan.item_type, plan.limit_rows.value_or(-1));
    return sha256_hex(text).substr(0, 20);
}

/// What a dead attempt left half done.
void remove_leftovers(const std::string& folder, const std::deque<SliceRun>& runs) {
    std::set<std::string> wanted;
    for (const SliceRun& run : runs)
        for (const ManifestPart& part : run.manifest.parts) wanted.insert(part.file);
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(folder, ignored)) {
        const std::string name = entry.path().filename();
        if (name.starts_with("part-") && !wanted.contains(name)) fs::remove(entry.path(), ignored);
    }
    for (const auto& entry : fs::directory_iterator(folder + "/raw", ignored))
        if (entry.path().filename().string().starts_with("unfinished-")) fs::remove(entry.path(), ignored);
}

/// A pace, in requests a second, below which it is what somebody waits for.
constexpr double worth_saying = 10;

/// "09:30:05 UTC": it comes soon, longer pauses end the attempt.
std::string clock_text(double seconds_from_now) {
    const auto at =
        std::chrono::ceil<std::chrono::seconds>(std::chrono::system_clock::now() + std::chrono::duration<double>(seconds_from_now));
    return to_rfc3339(std::chrono::time_point_cast<std::chrono::microseconds>(at)).substr(11, 8) + " UTC";
}

/// `requests_per_second` of the connection wins over the spec.
GovernorRate rate_of(const ExtractionPlan& plan) {
    const RateSpec& spec = plan.source.rate;
    GovernorRate rate{spec.requests > 0 ? spec.requests / (spec.per_seconds > 0 ? spec.per_seconds : 1) : 0, std::max(1, spec.concurrency)};
    if (plan.connection.contains("requests_per_second")) {
        const Json& own = plan.connection["requests_per_second"];
        try {
            if (own.is_number()) rate.requests_per_second = own.get<double>();
            if (own.is_string() && own != "") rate.requests_per_second = std::stod(own.get<std::string>());
            if (!(rate.requests_per_second >= 0)) throw std::invalid_argument("negative");
        } catch (const std::exception&) {
            throw Error(ErrorClass::Permanent, "requests_per_second of the connection is no rate: " + own.dump());
        }
    }
    return rate;
}

/// The same credential at the same place; its hash, so that no secret becomes a key of a map.
std::string credential_of(const ExtractionPlan& plan) {
    std::string text = plan.source.source + "\n";
    for (const SourceField& field : plan.source.connection)
        if (field.secret || field.name.find("url") != std::string::npos) text += plan.connection.value(field.name, Json()).dump() + "\n";
    return sha256_hex(text);
}

std::unique_ptr<const RequestBuilder> open(const ExtractionPlan& plan, const Slice& slice) {
    return std::make_unique<const RequestBuilder>(plan.source, plan.resource, plan.connection,
                                                  slice_scope(slice, plan.connection, plan.zone));
}

std::deque<SliceRun> make_runs(const ExtractionPlan& plan) {
    std::deque<SliceRun> runs;
    for (const Slice& slice : plan.slices) {
        SliceRun& run = runs.emplace_back(slice, slice_id(plan, slice, *open(plan, slice)), plan.resource.paging);
        if (auto finished = read_slice(plan.folder, run.id)) {
            run.manifest = std::move(*finished);
            run.done = true;
        }
    }
    return runs;
}

/// What the row limit left out.
SliceManifest not_begun(const SliceRun& run) {
    SliceManifest manifest;
    manifest.slice = run.id;
    manifest.label = run.slice.label;
    manifest.complete = false;
    return manifest;
}

/// More slices failed than the flow allows.
void check_failures(const ExtractionPlan& plan, const std::deque<SliceRun>& runs) {
    std::int64_t failed = 0;
    std::string first;
    for (const SliceRun& run : runs) {
        if (run.manifest.failed.empty()) continue;
        if (failed++ == 0) first = run.manifest.failed;
    }
    if (failed == 0 || !plan.allow_failed) return;
    const auto total = static_cast<double>(runs.size());
    const bool too_many = plan.allow_failed->count ? failed > *plan.allow_failed->count
                                                   : static_cast<double>(failed) * 100 > plan.allow_failed->percent.value_or(0) * total;
    if (too_many)
        throw Error(ErrorClass::Transient,
                    fmt::format("{} of {} slices failed, more than allow_failed; the first: {}", failed, runs.size(), first));
}

} // namespace

std::vector<duckdb::ColumnText> resource_columns(const ResourceSpec& resource) {
    std::vector<duckdb::ColumnText> columns;
    for (const SourceColumn& column : resource.columns) columns.push_back({column.name, column.type});
    return columns;
}

std::vector<duckdb::ColumnText> extraction_columns(const ResourceSpec& resource, const std::string& item_type) {
    std::vector<duckdb::ColumnText> columns = resource_columns(resource);
    if (!item_type.empty()) columns.push_back({"_item", item_type});
    if (resource.window) columns.push_back({"_window", "STRUCT(\"start\" TIMESTAMPTZ, \"end\" TIMESTAMPTZ, \"date\" DATE)"});
    return columns;
}

std::vector<SliceManifest> extract(const ExtractionPlan& plan, Governors& governors, duckdb::Database& database, ExtractionEvents events) {
    prepare_spool(plan.folder);
    std::deque<SliceRun> runs = make_runs(plan);
    remove_leftovers(plan.folder, runs);

    ExtractionShare share(plan, events, runs, [&plan](const Slice& slice) { return open(plan, slice); });
    share.rows_left = plan.limit_rows.value_or(0);
    share.rejects_left = plan.most_rejects;
    {
        duckdb::Connection connection = database.connect();
        share.columns = duckdb::resolve_columns(connection, resource_columns(plan.resource));
    }
    const auto give_up = [&] { return share.board.stopped() || events.cancelled(); };
    share.requests.cancelled = give_up;
    share.requests.retrying = [&](const std::string& text) { events.log("warning", text); };
    const std::string connection = plan.connection_name.empty() ? plan.source.source : plan.connection_name;
    share.requests.waiting = [&](double seconds) {
        share.report(fmt::format("waits for the rate limit of {} until {}", connection, clock_text(seconds)));
    };
    const auto reused = share.board.done();
    if (reused > 0) events.log("info", fmt::format("{} of {} slices are there from an earlier attempt", reused, runs.size()));

    const GovernorRate rate = rate_of(plan);
    if (rate.requests_per_second > 0 && rate.requests_per_second < worth_saying)
        share.requesting = fmt::format("requesting at most {:g} a second", rate.requests_per_second);
    const auto governor = governors.of(credential_of(plan), connection, rate, plan.shared_rate);
    const int workers = std::clamp(plan.concurrency > 0 ? std::min(plan.concurrency, rate.concurrency) : rate.concurrency, 1, most_workers);
    std::vector<std::unique_ptr<SliceWorker>> crew;
    for (int i = 0; i < workers; ++i) crew.push_back(std::make_unique<SliceWorker>(share, governor, database));
    std::vector<std::thread> threads;
    for (auto& worker : crew) threads.emplace_back([&worker] { worker->run(); });
    for (std::thread& thread : threads) thread.join();

    if (events.cancelled()) throw Error(ErrorClass::Cancelled, "the extraction was cancelled");
    if (const std::exception_ptr why = share.board.reason()) std::rethrow_exception(why);
    check_failures(plan, runs);
    std::vector<SliceManifest> manifests;
    for (SliceRun& run : runs) {
        if (!run.done) run.manifest = not_begun(run);
        manifests.push_back(std::move(run.manifest));
    }
    return manifests;
}

} // namespace millrace
