#include "flows/compiler/draft.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <queue>

namespace millrace {
namespace {

class Ordering {
public:
    Ordering(Draft& draft, CompileScope& scope)
        : draft_(draft), scope_(scope), index_(draft.index), parents_(draft.tasks.size()), children_(draft.tasks.size()) {}

    void run() {
        for (std::size_t i = 0; i < draft_.tasks.size(); ++i) connect(i);
        const auto order = sorted();
        if (order.size() < draft_.tasks.size()) return report_cycles(order);
        warn_of_unread();
        finish(order);
    }

private:
    static constexpr std::size_t most_suggested = 1000; ///< names that a mistyped one is compared with

    void connect(std::size_t i) {
        auto& task = draft_.tasks[i];
        for (const auto& reference : task.references) {
            const auto found = index_.find(reference.task);
            if (scope_.diagnostics.full()) return;
            if (found == index_.end()) {
                std::vector<std::string> names;
                for (const auto& other : draft_.tasks)
                    if (names.size() < most_suggested && other.plan.name != task.plan.name &&
                        (other.makes_dataset || !reference.needs_dataset))
                        names.push_back(other.plan.name);
                scope_.diagnostics.error(reference.mark, fmt::format("no task is called '{}'", reference.task),
                                         did_you_mean(reference.task, names));
                continue;
            }
            const auto& other = draft_.tasks[found->second];
            if (reference.needs_dataset && !other.makes_dataset)
                scope_.diagnostics.error(reference.mark,
                                         fmt::format("'{}' is a {} task and makes no dataset", reference.task, to_string(other.plan.verb)),
                                         other.plan.verb == Verb::Run ? "add `output: parquet` to it"
                                                                      : "extract, transform and run (with output) make datasets");
            else if (found->second == i)
                scope_.diagnostics.error(reference.mark, fmt::format("the task '{}' refers to itself", reference.task), "remove it");
            else
                add_edge(found->second, i);
        }
        for (const auto& read : task.reads)
            if (const auto found = index_.find(read); found != index_.end() && found->second != i) add_edge(found->second, i);
    }

    void add_edge(std::size_t from, std::size_t to) {
        if (parents_[to].insert(from).second) children_[from].insert(to);
    }

    /// Parents first; among those that could be next, the order of the file. Shorter than all tasks: there is a cycle.
    [[nodiscard]] std::vector<std::size_t> sorted() const {
        std::vector<std::size_t> waiting(draft_.tasks.size()), order;
        std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> ready;
        for (std::size_t i = 0; i < waiting.size(); ++i)
            if ((waiting[i] = parents_[i].size()) == 0) ready.push(i);
        while (!ready.empty()) {
            const auto next = ready.top();
            ready.pop();
            order.push_back(next);
            for (const auto child : children_[next])
                if (--waiting[child] == 0) ready.push(child);
        }
        return order;
    }

    void report_cycles(const std::vector<std::size_t>& done) {
        std::set<std::size_t> rest;
        for (std::size_t i = 0; i < draft_.tasks.size(); ++i) rest.insert(i);
        for (const auto i : done) rest.erase(i);
        while (!rest.empty() && !scope_.diagnostics.full()) {
            const auto cycle = cycle_among(rest);
            if (!cycle.empty()) report_cycle(cycle);
        }
    }

    /// Takes a cycle out of `rest`: walking up from any task must meet the path again, unless a task only waited for a cycle
    /// that is taken out already. Empty: it was all like that.
    [[nodiscard]] std::vector<std::size_t> cycle_among(std::set<std::size_t>& rest) const {
        std::vector<std::size_t> path{*rest.begin()};
        std::set<std::size_t> on_path{path.front()};
        while (!path.empty()) {
            const auto& parents = parents_[path.back()];
            const auto parent = std::find_if(parents.begin(), parents.end(), [&](std::size_t p) { return rest.contains(p); });
            if (parent == parents.end()) {
                rest.erase(path.back());
                on_path.erase(path.back());
                path.pop_back();
            } else if (on_path.insert(*parent).second) {
                path.push_back(*parent);
            } else {
                path.erase(path.begin(), std::find(path.begin(), path.end(), *parent));
                for (const auto i : path) rest.erase(i);
                return path;
            }
        }
        return {};
    }

    void report_cycle(std::vector<std::size_t> path) {
        // Begin with the task that the file names first, so that the message does not depend on the walk.
        std::rotate(path.begin(), std::min_element(path.begin(), path.end()), path.end());
        path.push_back(path.front());
        constexpr std::size_t most_named = 12;
        std::string text;
        for (std::size_t n = 0; n < path.size(); ++n) {
            const bool left_out = path.size() > most_named && n >= most_named / 2 && n + most_named / 2 < path.size();
            if (left_out && n > most_named / 2) continue;
            text += (text.empty() ? "" : " needs ") +
                    (left_out ? fmt::format("({} more)", path.size() - most_named) : draft_.tasks[path[n]].plan.name);
        }
        scope_.diagnostics.error(draft_.tasks[path.front()].mark, "these tasks wait for each other: " + text,
                                 "one of them must not read what comes after it");
    }

    /// A flow that loads something is meant to be whole: of one that is being written, the end may well come last.
    void warn_of_unread() {
        const auto is = [](Verb verb) { return [verb](const DraftTask& task) { return task.plan.verb == verb; }; };
        if (scope_.diagnostics.has_errors() || std::none_of(draft_.tasks.begin(), draft_.tasks.end(), is(Verb::Load))) return;
        for (std::size_t i = 0; i < draft_.tasks.size(); ++i)
            if (is(Verb::Extract)(draft_.tasks[i]) && children_[i].empty())
                scope_.diagnostics.warning(draft_.tasks[i].mark, fmt::format("nothing uses what '{}' extracts", draft_.tasks[i].plan.name),
                                           "load it, read it in a transform, or remove the task");
    }

    void finish(const std::vector<std::size_t>& order) {
        std::vector<int> place(order.size());
        for (std::size_t n = 0; n < order.size(); ++n) place[order[n]] = static_cast<int>(n);
        for (const auto i : order) {
            auto& task = draft_.tasks[i];
            auto plan = task.plan;
            for (const auto parent : parents_[i]) plan.needs.push_back(place[parent]);
            std::sort(plan.needs.begin(), plan.needs.end());
            plan.options = options(task);
            draft_.plan.tasks.push_back(std::move(plan));
        }
    }

    Json options(DraftTask& task) {
        if (auto* extract = std::get_if<ExtractOptions>(&task.options)) extract->contract = task.contract;
        if (auto* run = std::get_if<RunOptions>(&task.options)) run->contract = task.contract;
        if (auto* transform = std::get_if<TransformOptions>(&task.options)) {
            transform->contract = task.contract;
            transform->inputs.assign(task.reads.begin(), task.reads.end());
        }
        return std::visit(
            [](const auto& value) -> Json {
                if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::monostate>)
                    return Json::object();
                else
                    return value;
            },
            task.options);
    }

    Draft& draft_;
    CompileScope& scope_;
    const std::map<std::string, std::size_t>& index_;
    std::vector<std::set<std::size_t>> parents_, children_;
};

} // namespace

void order_tasks(Draft& draft, CompileScope& scope) { Ordering(draft, scope).run(); }

} // namespace millrace
