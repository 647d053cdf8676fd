/// extract: records of a declared source become a dataset. The work is connectors/http/extraction; here an order becomes its
/// plan, and its slices become one manifest.
#include "connectors/http/extraction.hpp"
#include "flows/counted.hpp"
#include "flows/hash.hpp"
#include "flows/items.hpp"
#include "flows/nearest.hpp"
#include "flows/sql_identifier.hpp"
#include "tasks/dataset.hpp"
#include "tasks/extract_items.hpp"
#include "tasks/moved_records.hpp"
#include "tasks/rejects.hpp"
#include "tasks/sql_scope.hpp"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>

namespace millrace {
namespace {

/// More parts than this, if they are small, become one: opening a file costs more than reading a small one.
constexpr std::size_t most_small_parts = 8;
constexpr std::int64_t small_parts_bytes = 16 << 20;

const ResourceSpec& find_resource(const SourceSpec& source, const std::string& name) {
    std::vector<std::string> names;
    for (const ResourceSpec& resource : source.resources) {
        if (resource.name == name) return resource;
        names.push_back(resource.name);
    }
    const std::string near = nearest(name, names);
    throw Error(ErrorClass::Permanent, "the source " + source.source + " has no resource '" + name + "'",
                near.empty() ? fmt::format("it has {}", fmt::join(names, ", ")) : "did you mean '" + near + "'?");
}

/// A page at its largest must fit beside DuckDB: the answer, whose announced length is reserved at once, and an index of its
/// punctuation, which is smaller than the answer in all but contrived JSON.
std::int64_t largest_answer(std::int64_t memory_bytes) {
    constexpr std::int64_t least = 16LL << 20, most = 256LL << 20, usual_memory = 512LL << 20;
    return std::clamp((memory_bytes > 0 ? memory_bytes : usual_memory) / 4, least, most);
}

ExtractionEvents events_of(const AttemptOrder& order, AttemptSession& session, AttemptProgress& last) {
    ExtractionEvents events;
    events.cancelled = [&session] { return session.cancelled(); };
    events.log = [&session](std::string_view level, const std::string& text) { session.log(level, text); };
    events.event = [&session](const std::string& kind, const std::string& text, const Json& details) {
        session.event(kind, text, details);
    };
    events.progress = [&session, &last, id = order.id, mutex = std::make_shared<std::mutex>()](const ExtractionProgress& p) {
        const AttemptProgress now{id, p.step, p.requests, p.pages, p.records, p.bytes, p.slices_done, p.slices_total, p.records_total};
        session.progress(now);
        const std::lock_guard lock(*mutex);
        if (now.requests >= last.requests && now.slices_done >= last.slices_done) last = now;
    };
    return events;
}

/// Turns the slices of one extraction into its dataset; lives for one call.
class Gathering {
public:
    Gathering(const AttemptOrder& order, AttemptSession& session, const ExtractOptions& options, const ExtractionPlan& plan,
              std::vector<SliceManifest> slices)
        : order_(order), session_(session), options_(options), plan_(plan), slices_(std::move(slices)),
          db_(session.database().connect(order.context.timezone)) {}

    WrittenDataset gather() {
        collect();
        tell_unknown_members();
        judge_rejects();
        const ContractSpec& contract = options_.contract;
        if (!contract.columns.empty() || !contract.checks.empty()) return apply_contract();
        if (manifest_.parts.size() > most_small_parts) join_small_parts();
        return {manifest_, write_manifest(order_.staging, manifest_)};
    }

private:
    void collect() {
        manifest_ = options_.for_each ? inherited(order_) : begun(order_);
        manifest_.slices = static_cast<std::int64_t>(slices_.size());
        manifest_.sensitive = manifest_.sensitive || options_.sensitive;
        const bool narrowed = plan_.resource.window || std::any_of(plan_.slices.begin(), plan_.slices.end(),
                                                                   [&](const Slice& s) { return is_narrowed(plan_.resource, s.values); });
        manifest_.complete = manifest_.complete && plan_.resource.complete && !narrowed;
        for (const duckdb::Column& c : duckdb::resolve_columns(db_, extraction_columns(plan_.resource, plan_.item_type)))
            manifest_.columns.push_back({c.name, c.type.name, never_null(c.name)});
        for (const SliceManifest& slice : slices_) {
            if (!slice.failed.empty()) {
                ++manifest_.failed;
                manifest_.doubt(order_.task + ": slices failed");
            } else if (!slice.complete && !plan_.limit_rows) {
                manifest_.doubt(order_.task + ": the source changed while it was read, page after page");
            }
            if (slice.rejected > 0) manifest_.doubt(order_.task + ": records were rejected");
            manifest_.rejected += slice.rejected;
            manifest_.rows += slice.records;
            if (!slice.extracted_at.empty() &&
                (manifest_.extracted_at.empty() || parse_rfc3339(slice.extracted_at) < parse_rfc3339(manifest_.extracted_at)))
                manifest_.extracted_at = slice.extracted_at;
        }
        if (manifest_.extracted_at.empty()) manifest_.extracted_at = order_.context.run_at;
        settle_moved();
    }

    /// False for a column that every record has; nothing is known of the others, which may be null.
    [[nodiscard]] std::optional<bool> never_null(const std::string& column) const {
        const auto& columns = plan_.resource.columns;
        const bool required =
            std::any_of(columns.begin(), columns.end(), [&](const SourceColumn& c) { return c.name == column && !c.nullable; });
        return required ? std::optional(false) : std::nullopt;
    }

    void settle_moved() {
        SettledParts settled = settle_moved_records(db_, order_.staging, order_.attempt, plan_.resource.key, plan_.slices, slices_);
        manifest_.parts = std::move(settled.parts);
        if (settled.left_out == 0) return;
        manifest_.rows -= settled.left_out;
        session_.event(
            "drifted",
            fmt::format("{}: {} stood in more than one window, since {} while they were read: each was taken once, as it was read last",
                        plan_.resource.name, counted(settled.left_out, "record"), settled.left_out == 1 ? "it moved" : "they moved"),
            Json{{"records", settled.left_out}});
    }

    void tell_unknown_members() {
        std::map<std::string, std::string> unknown;
        for (const SliceManifest& slice : slices_) unknown.insert(slice.unknown.begin(), slice.unknown.end());
        if (unknown.empty()) return;
        std::string names;
        std::size_t told = 0;
        for (const auto& [path, kind] : unknown)
            if (++told <= 10) names += fmt::format("{}'{}' ({})", names.empty() ? "" : ", ", path, kind);
        if (told > 10) names += fmt::format(" and {} more", told - 10);
        session_.event("drifted",
                       fmt::format("{} sends members that its spec does not declare, and they are left out: {}; to have one as a column, "
                                   "declare it in {}, then `millrace deploy`",
                                   plan_.resource.name, names, place_in_spec(plan_.source, plan_.resource.name, "columns")),
                       Json{{"members", unknown}});
    }

    void judge_rejects() {
        if (manifest_.rejected == 0) return;
        RejectSummary summary;
        std::size_t told = 0;
        for (const SliceManifest& slice : slices_)
            for (const std::string& mistake : slice.mistakes)
                if (++told <= 3)
                    summary.text +=
                        fmt::format("{}{}{}{}", summary.text.empty() ? "" : "; ", slice.label, slice.label.empty() ? "" : ", ", mistake);
        summary.remedy =
            "let the task leave such records out: `rejects: {max: 1%, to: quarantine}`; or, where the service is right to send "
            "them, correct " +
            place_in_spec(plan_.source, plan_.resource.name, "columns") + " (`null`: it may be absent), then `millrace deploy`";
        if (const std::string kept = rejected_records(); !kept.empty())
            keep_rejects(db_, order_.staging, fmt::format("quarantine-{}-raw", order_.attempt), kept, plan_.most_rejects, manifest_);
        tell_rejects(options_.contract.rejects, manifest_, order_.staging, manifest_.rows + manifest_.rejected,
                     "records of " + plan_.resource.name + " break its contract", summary, session_);
    }

    /// Empty: none was kept.
    [[nodiscard]] std::string rejected_records() const {
        std::string files;
        std::uintmax_t largest = 1 << 20; // DuckDB takes twice this as its buffer, whatever the files hold
        for (const SliceManifest& slice : slices_) {
            std::istringstream names(slice.quarantine);
            for (std::string name; names >> name;) {
                const std::string path = order_.staging + "/" + name;
                files += (files.empty() ? "" : ", ") + quote_literal(path);
                largest = std::max(largest, std::min<std::uintmax_t>(std::filesystem::file_size(path), 32 << 20));
            }
        }
        if (files.empty()) return {};
        return fmt::format(
            "SELECT nullif(\"column\", '') AS _column, rule AS _rule, value AS _value, position AS _position, raw AS _raw FROM "
            "read_json([{}], format = 'newline_delimited', columns = {{\"column\": 'VARCHAR', rule: 'VARCHAR', value: "
            "'VARCHAR', position: 'VARCHAR', raw: 'VARCHAR'}}, maximum_object_size = {})",
            files, largest);
    }

    void join_small_parts() {
        std::int64_t bytes = 0;
        for (const ManifestPart& part : manifest_.parts) bytes += part.bytes;
        if (bytes > small_parts_bytes) return;
        const std::string file = fmt::format("joined-{}.parquet", order_.attempt);
        const auto rows =
            db_.query(fmt::format("COPY (SELECT * FROM {}) TO {} (FORMAT parquet, COMPRESSION snappy)",
                                  rows_of(order_.staging + "/manifest.json", manifest_), quote_literal(order_.staging + "/" + file)))
                .rows_changed();
        manifest_.parts = {finish_part(order_.staging, file, rows)};
    }

    WrittenDataset apply_contract() {
        const duckdb::Bindings values = bindings_of(order_.context);
        create_views(db_, order_.inputs);
        Manifest known = manifest_;
        known.columns.clear();
        known.parts.clear();
        known.rows = 0;
        // The contract takes what it names; the raw spool keeps everything.
        std::string names;
        for (const ColumnSpec& column : options_.contract.columns) names += (names.empty() ? "" : ", ") + quote_identifier(column.name);
        WrittenDataset written =
            write_dataset(db_,
                          {"SELECT " + (names.empty() ? "*" : names) + " FROM " + rows_of(order_.staging + "/manifest.json", manifest_),
                           &values, options_.contract, order_.staging, order_.attempt, known, order_.origin},
                          session_);
        return written;
    }

    const AttemptOrder& order_;
    AttemptSession& session_;
    const ExtractOptions& options_;
    const ExtractionPlan& plan_;
    std::vector<SliceManifest> slices_;
    duckdb::Connection db_;
    Manifest manifest_;
};

} // namespace

AttemptDone run_extract(const AttemptOrder& order, AttemptSession& session) {
    const auto options = order.options.get<ExtractOptions>();
    if (options.resource.empty())
        throw Error(ErrorClass::Permanent, "extracting from a database or from files is not available yet",
                    "extract a resource of a declared source: CONNECTION.RESOURCE");
    const Scope run(order.context);
    const std::string connection = substitute_text(options.connection, run).get<std::string>();

    ExtractionPlan plan;
    plan.source = order.source.get<SourceSpec>();
    plan.source.file = order.source_file;
    plan.resource = find_resource(plan.source, substitute_text(options.resource, run).get<std::string>());
    plan.connection = complete_connection(plan.source, connection_of(order, connection));
    plan.connection_name = connection;
    plan.shared_rate = order.shared_rates;
    plan.zone = order.context.timezone;
    plan.folder = order.staging;
    plan.concurrency = options.concurrency;
    plan.on_drift = options.on_drift;
    plan.most_rejects = most_kept(options.contract.rejects);
    plan.sensitive = options.sensitive;
    plan.allow_failed = options.allow_failed;
    plan.limit_rows = order.context.limit_rows;
    plan.limits.body_bytes = largest_answer(order.memory_bytes);

    duckdb::Connection db = session.database().connect(order.context.timezone);
    std::optional<ExtractItems> items;
    if (options.for_each) {
        items.emplace(order, *options.for_each, db);
        plan.items_table = items->table();
        plan.item_type = items->type();
        if (items->repeated() > 0) session.event("warning", told_of_repeated_items(items->repeated()), {{"repeated", items->repeated()}});
    }
    plan.slices = make_slices(plan.resource, options.with, run, items ? items->rows() : std::vector<Json>{}, items.has_value());

    AttemptDone done;
    ExtractionEvents events = events_of(order, session, done.progress);
    session.log("info", fmt::format("{}.{}: {}", connection, plan.resource.name, counted(std::ssize(plan.slices), "slice")));
    std::vector<SliceManifest> slices = extract(plan, session.governors(), session.database(), std::move(events));
    const WrittenDataset written = Gathering(order, session, options, plan, std::move(slices)).gather();
    session.log("info", fmt::format("{} in {}, {}", counted(written.manifest.rows, "record"), counted(done.progress.pages, "page"),
                                    counted(done.progress.requests, "request")));
    if (written.manifest.complete) done.progress.slices_done = done.progress.slices_total; // else one may have been left out
    const AttemptProgress last = done.progress;
    done = completed(written);
    done.progress = last;
    return done;
}

} // namespace millrace
