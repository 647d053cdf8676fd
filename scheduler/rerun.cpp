#include "scheduler/rerun.hpp"

#include <algorithm>
#include <cctype>
#include <set>

namespace millrace {
namespace {

/// Without what is another plan's number or says only when, how often and beside what others it is tried.
Json what_it_does(const FlowPlan& plan, const Json& written, std::size_t task) {
    Json definition = written.at("tasks").at(task);
    for (const char* aside : {"needs", "retry", "timeout", "memory_bytes", "limits", "tags", "continue_on_failure"})
        definition.erase(aside);
    definition.at("options").erase("concurrency");
    definition["timezone"] = plan.timezone;
    if (plan.tasks[task].verb == Verb::Extract) definition["sources"] = written.at("sources");
    return definition;
}

/// Of one task in one run: what it did, how far it came, and the results of what of it completed.
struct Done {
    Json definition;
    bool begun = false, mapped = false;
    std::optional<Json> result;
    Reused::Items items;
};
using DoneByName = std::map<std::string, Done>;

DoneByName done_in(const RunBefore& run) {
    const auto& plan = *run.plan;
    const Json written(plan);
    DoneByName out;
    for (std::size_t i = 0; i < plan.tasks.size(); ++i) out[plan.tasks[i].name].definition = what_it_does(plan, written, i);
    for (const auto& [key, row] : run.task_runs) {
        auto& task = out[plan.tasks.at(static_cast<std::size_t>(key.task)).name];
        (key.item < 0 ? task.begun : task.mapped) = true;
        if (row.state != State::Completed) continue;
        Json result = row.details ? row.details->result : Json();
        if (key.item < 0)
            task.result = std::move(result);
        else
            task.items.emplace(item_text(row.details ? row.details->value : Json()), std::move(result));
    }
    return out;
}

std::string manifest_in(const Json& result) { return result.is_object() ? result.value("manifest", "") : ""; }

bool lists(const Json& options, const char* list, const std::string& name) {
    const auto at = options.find(list);
    return at != options.end() && std::find(at->begin(), at->end(), name) != at->end();
}

bool is_of_a_name(char c) { return c == '_' || std::isalnum(static_cast<unsigned char>(c)); }

/// As a word of its own, in whatever language: what only seems to be it runs again, and nothing is wrong.
bool mentions(const std::string& text, const std::string& name) {
    for (auto at = text.find(name); at != std::string::npos; at = text.find(name, at + 1)) {
        const auto end = at + name.size();
        if ((at == 0 || !is_of_a_name(text[at - 1])) && (end == text.size() || !is_of_a_name(text[end]))) return true;
    }
    return false;
}

/// Commands have all parameters in their environment.
bool sees(const FlowPlan& plan, const Json& written, std::size_t task, const std::set<std::string>& params) {
    if (params.empty() || plan.tasks[task].verb == Verb::Run) return !params.empty();
    const auto definition = what_it_does(plan, written, task).dump();
    return std::any_of(params.begin(), params.end(), [&](const std::string& name) { return mentions(definition, name); });
}

/// The tasks of `now` that are to be done again: `from`, what sees parameters with other values, and what comes after those.
std::set<int> wanted_again(const FlowPlan& now, const Json& written, const std::string& from, const std::set<std::string>& other_params) {
    std::set<int> out;
    for (std::size_t i = 0; i < now.tasks.size(); ++i) {
        const auto& needs = now.tasks[i].needs;
        if (now.tasks[i].name == from || sees(now, written, i, other_params) ||
            std::any_of(needs.begin(), needs.end(), [&](int parent) { return out.contains(parent); }))
            out.insert(static_cast<int>(i));
    }
    return out;
}

/// Looks for one task of `now` after the other in the runs before.
class Search {
public:
    Search(const std::vector<RunBefore>& before, const FlowPlan& now, const std::set<std::string>& gone)
        : now_(now), written_(now), gone_(gone) {
        for (const auto& run : before) {
            const auto& tasks = now.tasks;
            const auto is_from = [&](const TaskPlan& task) { return task.name == run.from; };
            auto wanted = wanted_again(now, written_, run.from, run.other_params);
            if (!run.from.empty() && std::none_of(tasks.begin(), tasks.end(), is_from))
                break; // a task that is no more: who knows what came after it
            layers_.push_back({done_in(run), std::move(wanted)});
        }
    }

    Reused found() && {
        for (std::size_t i = 0; i < now_.tasks.size(); ++i) look_for(static_cast<int>(i));
        while (leave_out_what_is_gone()) {
        }
        return std::move(out_);
    }

private:
    struct Layer {
        DoneByName done;
        std::set<int> wanted;
    };

    const TaskPlan& task(int number) const { return now_.tasks[static_cast<std::size_t>(number)]; }

    /// What that run's tasks took from `parent` is what this re-run has of it.
    bool stands(std::size_t layer, int parent) const {
        const auto ours = out_.tasks.find(parent);
        if (ours == out_.tasks.end()) return false;
        const auto theirs = layers_[layer].done.find(task(parent).name);
        return layer == 0 || (theirs != layers_[layer].done.end() && theirs->second.result == ours->second);
    }

    /// Of what stands: datasets that a task which runs reads and that are gone, then what was made of those. False: there is none.
    bool leave_out_what_is_gone() {
        const auto before = out_.tasks.size();
        for (std::size_t i = 0; i < now_.tasks.size(); ++i) {
            if (out_.tasks.contains(static_cast<int>(i))) continue;
            for (const int parent : now_.tasks[i].needs)
                if (const auto at = out_.tasks.find(parent); at != out_.tasks.end() && gone_.contains(manifest_in(at->second)))
                    out_.tasks.erase(at);
        }
        const auto runs_again = [&](int parent) { return !out_.tasks.contains(parent); };
        std::erase_if(out_.tasks, [&](const auto& done) {
            const auto& needs = task(done.first).needs;
            return std::any_of(needs.begin(), needs.end(), runs_again);
        });
        std::erase_if(out_.items, [&](const auto& done) {
            const auto& needs = task(done.first).needs;
            return std::any_of(needs.begin(), needs.end(), [&](int p) { return is_input(done.first, p) && runs_again(p); });
        });
        return out_.tasks.size() != before;
    }
    /// It reads the dataset beside its items.
    bool is_input(int number, int parent) const { return lists(task(number).options, "inputs", task(parent).name); }

    void look_for(int number) {
        const auto definition = what_it_does(now_, written_, static_cast<std::size_t>(number));
        bool begun = false, mapped = false; // in a later run
        for (std::size_t layer = 0; layer < layers_.size() && !(begun && mapped); ++layer) {
            if (layers_[layer].wanted.contains(number)) return;
            const auto known = layers_[layer].done.find(task(number).name);
            if (known == layers_[layer].done.end()) continue;
            auto& done = known->second;
            if (done.definition == definition && take(number, layer, done, begun, mapped)) return;
            begun = begun || done.begun;
            mapped = mapped || done.mapped;
        }
    }

    bool take(int number, std::size_t layer, Done& done, bool begun, bool mapped) {
        const auto& needs = task(number).needs;
        const auto stand = [&](auto counts) {
            return std::all_of(needs.begin(), needs.end(), [&](int parent) { return !counts(parent) || stands(layer, parent); });
        };
        if (!begun && done.result && stand([](int) { return true; }))
            out_.tasks.emplace(number, *done.result); // it is compared with again
        else if (!mapped && !done.items.empty() && stand([&](int parent) { return is_input(number, parent); }))
            out_.items.emplace(number, std::move(done.items));
        else
            return false;
        return true;
    }

    const FlowPlan& now_;
    Json written_;
    const std::set<std::string>& gone_;
    std::vector<Layer> layers_;
    Reused out_;
};

/// Whether it came so far that what runs before it did is of no more use.
bool came_to_all(const RunBefore& run, const FlowPlan& now) {
    const auto done = done_in(run);
    return std::all_of(now.tasks.begin(), now.tasks.end(), [&](const TaskPlan& task) {
        const auto at = done.find(task.name);
        return at != done.end() && at->second.begun && (!task.map_over || at->second.mapped);
    });
}

/// The run that `row` is said to repeat, and what of it to do in any case.
std::optional<std::pair<std::int64_t, std::string>> repeats(const RunRow& row) {
    if (!row.rerun_of || !row.options.contains("reuse_before")) return std::nullopt;
    return std::pair(*row.rerun_of, row.options.at("reuse_before").get<std::string>());
}

/// One that only one of them has is of a plan that differs itself.
std::set<std::string> differing(const Json& then, const Json& now) {
    std::set<std::string> out;
    for (const auto& [name, value] : now.items())
        if (then.contains(name) && then.at(name) != value) out.insert(name);
    return out;
}

/// The plans of the runs before, of which most have the same: each is read and compared once.
class PlansBefore {
public:
    PlansBefore(Store& store, const FlowPlan& now) : store_(store), now_(now) {}

    boost::asio::awaitable<std::shared_ptr<const FlowPlan>> plan(std::string hash) {
        const auto known = plans_.find(hash);
        if (known != plans_.end()) co_return known->second;
        auto plan = co_await store_.plan(hash);
        plans_.emplace(std::move(hash), plan);
        co_return plan;
    }
    boost::asio::awaitable<bool> does_the_same(std::string hash) {
        const auto known = the_same_.find(hash);
        if (known != the_same_.end()) co_return known->second;
        const auto then = co_await plan(hash);
        const bool same = do_the_same(*then, now_);
        the_same_.emplace(std::move(hash), same);
        co_return same;
    }

private:
    Store& store_;
    const FlowPlan& now_;
    std::map<std::string, std::shared_ptr<const FlowPlan>> plans_; ///< by hash
    std::map<std::string, bool> the_same_;                         ///< by hash
};

/// `old` and those that it goes on from; nothing: none. Of `old`, nothing that comes after `from`.
boost::asio::awaitable<std::vector<RunBefore>> runs_before(Store& store, PlansBefore& plans, std::optional<RunRow> old, std::string from,
                                                           const FlowPlan& now, Json params) {
    std::vector<RunBefore> out;
    while (old) {
        RunBefore run;
        run.plan = co_await plans.plan(old->plan_hash);
        run.task_runs = co_await store.task_runs(old->id);
        run.from = std::move(from);
        run.other_params = differing(old->params, params);
        out.push_back(std::move(run));
        const auto which = came_to_all(out.back(), now) ? std::nullopt : repeats(*old);
        if (!which) break;
        from = which->second;
        old = co_await store.run(which->first);
    }
    co_return out;
}

boost::asio::awaitable<Reused> standing(Store& store, std::vector<RunBefore> before, const FlowPlan& now) {
    std::vector<std::string> manifests;
    for (const auto& run : before)
        for (const auto& [key, row] : run.task_runs)
            if (key.item < 0 && row.state == State::Completed && row.details)
                if (auto manifest = manifest_in(row.details->result); !manifest.empty()) manifests.push_back(std::move(manifest));
    const auto gone = co_await store.missing_files(std::move(manifests));
    co_return reusable(before, now, gone);
}

} // namespace

Reused reusable(const std::vector<RunBefore>& before, const FlowPlan& now, const std::set<std::string>& gone) {
    return Search(before, now, gone).found();
}

bool do_the_same(const FlowPlan& then, const FlowPlan& now) {
    if (then.tasks.size() != now.tasks.size()) return false;
    const auto described = [](const FlowPlan& plan) {
        const Json written(plan);
        std::map<std::string, std::pair<Json, std::set<std::string>>> out;
        for (std::size_t i = 0; i < plan.tasks.size(); ++i) {
            auto& [definition, needs] = out[plan.tasks[i].name];
            definition = what_it_does(plan, written, i);
            for (const int parent : plan.tasks[i].needs) needs.insert(plan.tasks[static_cast<std::size_t>(parent)].name);
        }
        return out;
    };
    return described(then) == described(now);
}

bool has_failures(const Json& summary) {
    const Json counts = summary.is_object() ? summary.value("counts", Json::object()) : Json::object();
    return counts.contains("failed") || counts.contains("crashed");
}

boost::asio::awaitable<Reused> reused_by(Store& store, const RunRow& row, const FlowPlan& now) {
    const auto which = repeats(row);
    if (!which) co_return Reused();
    PlansBefore plans(store, now);
    auto last = co_await store.run(which->first);
    auto before = co_await runs_before(store, plans, std::move(last), which->second, now, row.params);
    co_return co_await standing(store, std::move(before), now);
}

boost::asio::awaitable<RepeatedChunks> repeated_by(Store& store, const RunRow& row, const FlowPlan& now) {
    RepeatedChunks out;
    PlansBefore plans(store, now);
    for (auto which = repeats(row); which;) {
        const auto chunks = co_await store.chunks(which->first);
        for (const auto& chunk : chunks) {
            if (!chunk.interval_start || out.contains({*chunk.interval_start, *chunk.interval_end})) continue;
            auto& repeated = out[{*chunk.interval_start, *chunk.interval_end}];
            repeated.run_id = chunk.id;
            if (chunk.state == State::Completed && !has_failures(chunk.summary) && differing(chunk.params, row.params).empty())
                repeated.done = co_await plans.does_the_same(chunk.plan_hash);
            if (repeated.done) continue;
            std::optional<RunRow> last = chunk;
            auto before = co_await runs_before(store, plans, std::move(last), std::string(), now, row.params);
            repeated.reused = co_await standing(store, std::move(before), now);
        }
        const auto old = co_await store.run(which->first);
        which = old ? repeats(*old) : std::nullopt;
    }
    co_return out;
}

} // namespace millrace
