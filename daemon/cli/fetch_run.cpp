#include "daemon/cli/fetch_run.hpp"

#include "daemon/cli/format.hpp"
#include "flows/state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace millrace {
namespace {

constexpr std::size_t most_items = 1000;
constexpr std::size_t most_chunks_in_full = 100;
constexpr int page_size = 10'000; ///< of task runs and events: the most that the API gives at once

/// All pages of a list from `after` on; `query` begins with its path and a question mark.
Json all_of(const ApiClient& api, const std::string& query, int limit = page_size, std::string after = "") {
    Json all = Json::array();
    do {
        auto page = api.get(fmt::format("{}&limit={}&after={}", query, limit, url_encoded(after)));
        for (auto& one : page.at("items")) all.push_back(std::move(one));
        after = text_of(page, "next");
    } while (!after.empty());
    return all;
}

bool has_more(const Json& run) { return !text_of(run, "tasks_next").empty(); }

std::string tasks_of(const Json& run) { return "/api/v1/runs/" + text_of(run, "id") + "/tasks?"; }

RunDocument fetch_one(const ApiClient& api, const std::string& id) {
    auto run = api.get("/api/v1/runs/" + url_encoded(id));
    if (!has_more(run)) return run;
    const auto first = [&](const char* states, std::size_t most) {
        return api.get(fmt::format("{}state={}&limit={}", tasks_of(run), states, most)).at("items");
    };
    const TasksReadApart apart{all_of(api, tasks_of(run) + "items=none"), first("failed,crashed", most_items),
                               first("running,retrying,paused,cancelling", 100)};
    return with_tasks(std::move(run), apart);
}

void add_other_warnings(const ApiClient& api, RunDocument& run) {
    const auto next = text_of(run, "warnings_next");
    if (next.empty()) return;
    for (const auto& event : all_of(api, "/api/v1/runs/" + text_of(run, "id") + "/events?only=warnings", page_size, next))
        run["warnings"].push_back(
            {{"task", event.at("task")}, {"kind", event.at("kind")}, {"message", event.at("message")}, {"details", event.at("details")}});
    run["warnings_left"] = 0;
    run["warnings_next"] = nullptr;
}

RunDocument fetch_all_of_one(const ApiClient& api, const std::string& id) {
    auto run = api.get("/api/v1/runs/" + url_encoded(id));
    add_other_warnings(api, run);
    if (!has_more(run)) return run;
    for (auto& task : all_of(api, tasks_of(run), page_size, text_of(run, "tasks_next"))) run["tasks"].push_back(std::move(task));
    run["tasks_next"] = nullptr;
    return run;
}

bool has_begun(const Json& run) { return text_of(run, "state") != "scheduled" && text_of(run, "state") != "pending"; }

/// Its line in the document of its run says all: there may be thousands.
bool is_routine(const Json& chunk) {
    const auto loads = list_of(chunk, "loads");
    const auto counts = chunk.value("counts", Json::object());
    const bool some_failed = number_of(counts, "failed") + number_of(counts, "crashed") > 0; // which the flow lets pass
    return text_of(chunk, "state") == "completed" && number_of(chunk, "warning_count") == 0 && !some_failed &&
           std::none_of(loads.begin(), loads.end(), [](const Json& load) { return number_of(load, "rejected") > 0; });
}

template <class Fetch>
RunDocument with_chunks(const ApiClient& api, RunDocument run, Fetch fetch) {
    if (!run.contains("chunks") || !run["chunks"].is_array()) return run;
    if (const auto next = text_of(run, "chunks_next"); !next.empty()) {
        auto older = all_of(api, "/api/v1/runs?parent=" + text_of(run, "id"), 500, next); // the last one first, as all lists of runs
        std::reverse(older.begin(), older.end());
        for (auto& chunk : run["chunks"]) older.push_back(std::move(chunk));
        run["chunks"] = std::move(older);
        run["chunks_next"] = nullptr;
    }
    const bool many = run["chunks"].size() > most_chunks_in_full;
    for (auto& chunk : run["chunks"])
        if (has_begun(chunk)) chunk = fetch(chunk, many);
    return run;
}

bool is_item(const Json& task) { return !text_of(task, "item").empty(); }

bool has_failed(const Json& task) { return text_of(task, "state") == "failed" || text_of(task, "state") == "crashed"; }

/// Items by their task, each once, in the order in which they came.
class Items {
public:
    void add(const Json& tasks) {
        std::size_t added = 0;
        for (const auto& task : tasks) {
            const auto name = text_of(task, "task");
            if (!is_item(task) || added == most_items || !known_.emplace(name, task.at("item").dump()).second) continue;
            ++added;
            of_[name].push_back(task);
        }
    }
    [[nodiscard]] const std::vector<Json>& of(const Json& task) { return of_[text_of(task, "task")]; }

private:
    std::set<std::pair<std::string, std::string>> known_;
    std::map<std::string, std::vector<Json>> of_;
};

} // namespace

RunDocument fetch_run(const ApiClient& api, const std::string& id, const RunDocument& before) {
    std::map<std::string, const Json*> known;
    if (const auto chunks = before.find("chunks"); chunks != before.end())
        for (const auto& chunk : *chunks)
            if (is_final(state_from(text_of(chunk, "state")))) known[text_of(chunk, "id")] = &chunk;
    return with_chunks(api, fetch_one(api, id), [&](const Json& line, bool many) {
        if (many && is_routine(line)) {
            auto routine = line;
            routine["is_routine"] = true;
            return routine;
        }
        const auto chunk = text_of(line, "id");
        const auto at = known.find(chunk);
        return at == known.end() ? fetch_one(api, chunk) : *at->second;
    });
}

RunDocument fetch_whole_run(const ApiClient& api, const std::string& id) {
    return with_chunks(api, fetch_all_of_one(api, id),
                       [&](const Json& chunk, bool) { return fetch_all_of_one(api, text_of(chunk, "id")); });
}

RunDocument with_tasks(RunDocument run, const TasksReadApart& apart) {
    Items items;
    items.add(apart.failed);
    items.add(apart.at_work);
    items.add(list_of(run, "tasks"));
    Json shown = Json::array();
    std::int64_t failed = 0, all = 0;
    for (const auto& task : apart.tasks) {
        shown.push_back(task);
        for (const auto& item : items.of(task)) shown.push_back(item);
    }
    for (const auto& task : shown) failed += has_failed(task) ? 1 : 0;
    const auto counts = run.value("counts", Json::object());
    for (const auto& count : counts) all += count.get<std::int64_t>();
    const auto known = static_cast<std::int64_t>(shown.size());
    run["tasks"] = std::move(shown);
    run["left_out"] = {{"tasks", std::max<std::int64_t>(all - known, 0)},
                       {"failed", std::max<std::int64_t>(number_of(counts, "failed") + number_of(counts, "crashed") - failed, 0)}};
    return run;
}

/// The node that is asked counts only the task runs of a live run that it drives itself.
std::string left_out_text(const RunDocument& run) {
    if (!run.contains("left_out")) return "";
    const auto more = number_of(run["left_out"], "tasks");
    return more > 0 ? "and " + counted(more, "more task run") : "and more task runs";
}

} // namespace millrace
