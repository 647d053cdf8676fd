#include "tasks/warm_database.hpp"

#include <algorithm>
#include <filesystem>
#include <thread>

namespace millrace {
namespace {

constexpr std::int64_t default_memory = 256LL << 20;
constexpr std::int64_t beside_duckdb = 96LL << 20; ///< of an attempt's memory: the library, its stacks, our own buffers

bool covers(const std::vector<std::string>& folders, const std::string& wanted) {
    return std::any_of(folders.begin(), folders.end(), [&](const std::string& f) { return wanted == f || wanted.starts_with(f + "/"); });
}

duckdb::DatabaseOptions options_for(const DatabaseNeeds& needs) {
    duckdb::DatabaseOptions options;
    for (const std::string& folder : needs.folders)
        if (!folder.empty() && !covers(options.folders, folder)) options.folders.push_back(folder);
    options.temp_folder = needs.temp_folder;
    options.memory_bytes = needs.memory_bytes == 0 ? default_memory : std::max(needs.memory_bytes - beside_duckdb, needs.memory_bytes / 2);
    options.threads = needs.threads > 0 ? needs.threads : static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1U, 4U));
    // The order of a dataset's rows means nothing (an ORDER BY holds all the same); kept, it would be written by one thread.
    options.keep_order = false;
    return options;
}

} // namespace

std::shared_ptr<duckdb::Database> WarmDatabase::get(const DatabaseNeeds& needs) {
    const duckdb::DatabaseOptions wanted = options_for(needs);
    const std::scoped_lock lock(mutex_);
    if (open_) {
        const duckdb::DatabaseOptions& have = open_->options();
        const bool fits =
            have.memory_bytes == wanted.memory_bytes && have.threads == wanted.threads &&
            std::all_of(wanted.folders.begin(), wanted.folders.end(), [&](const std::string& f) { return covers(have.folders, f); });
        if (fits) return open_;
    }
    open_.reset();
    duckdb::EmptyDatabase empty = spare_ ? std::move(*spare_) : duckdb::EmptyDatabase();
    spare_.reset();
    open_ = std::make_shared<duckdb::Database>(wanted, std::move(empty));
    return open_;
}

void WarmDatabase::prepare() {
    const std::scoped_lock lock(mutex_);
    if (!spare_) spare_.emplace();
}

std::string run_folder(const std::string& path) { return std::filesystem::path(path).parent_path().parent_path(); }

} // namespace millrace
