#include "scheduler/staging_mark.hpp"

#include "flows/error.hpp"
#include "scheduler/store/store.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

namespace millrace {
namespace fs = std::filesystem;

constexpr const char* one_marks = "lock table millrace.staging in exclusive mode";
constexpr const char* staging_mark = "select mark, node, folder, extract(epoch from made_at) * 1000000 from millrace.staging";
constexpr const char* has_other_nodes = "select exists (select from millrace.node where id <> $1)";
constexpr const char* forget_mark = "delete from millrace.staging";
constexpr const char* note_folder = "update millrace.staging set node = $1, folder = $2 where folder <> $2";
constexpr const char* new_mark = R"sql(
    insert into millrace.staging (node, folder) values ($1, $2) returning mark, node, folder, extract(epoch from made_at) * 1000000)sql";

namespace {

StagingMark mark_from(const pqxx::row& row) { return {row[0].c_str(), row[1].c_str(), row[2].c_str(), instant_from(row[3]).value()}; }

std::optional<StagingMark> known_mark(pqxx::work& w) {
    const auto rows = w.exec_prepared("staging_mark");
    return rows.empty() ? std::nullopt : std::optional(mark_from(rows[0]));
}

bool lies_below(const fs::path& inner, const fs::path& outer) {
    const auto relative = fs::weakly_canonical(inner).lexically_relative(fs::weakly_canonical(outer));
    return !relative.empty() && *relative.begin() != "..";
}

} // namespace

StagingVerdict judge(const std::optional<StagingMark>& known, const StagingFolder& folder) {
    if (!known) return StagingVerdict::Make;
    if (folder.has_mark) return StagingVerdict::Ours;
    if (folder.is_alone && (folder.is_own || folder.path != known->folder)) return StagingVerdict::Move;
    return StagingVerdict::Refuse;
}

fs::path mark_file(const fs::path& staging, const std::string& mark) { return staging / ("store-" + mark); }

std::string unproved_text(const StagingMark& known, const std::string& folder) {
    return fmt::format("the staging folder {} is not the one of this store: it lacks the file {}, which node {} made in {} at {}", folder,
                       mark_file("", known.mark).string(), known.node, known.folder, to_rfc3339(known.made_at));
}

std::string unproved_remedy(const StagingMark& known, const std::string& folder) {
    return fmt::format(
        "mount the folder that the nodes share, or name it with `staging:` in millrace.yaml; where it was moved to {}, move that "
        "file too; where what was in it is given up: touch {}",
        folder, mark_file(folder, known.mark).string());
}

static void make_mark(const fs::path& staging, const std::string& mark) {
    const auto file = mark_file(staging, mark);
    const int made = ::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (made < 0)
        throw Error(ErrorClass::Resource, fmt::format("cannot make {}: {}", file.string(), std::strerror(errno)),
                    "check the free space and the rights of the staging folder");
    (void)::fsync(made);
    ::close(made);
}

boost::asio::awaitable<ProvedStaging> prove_staging(Database& database, std::string node, std::string staging, std::string state) {
    const bool is_own = lies_below(staging, state);
    return database.run([node = std::move(node), staging = std::move(staging), is_own](pqxx::work& w) {
        w.exec_prepared0("one_marks");
        const auto known = known_mark(w);
        StagingFolder folder{node, staging, is_own, known && fs::exists(mark_file(staging, known->mark)), false};
        folder.is_alone = !w.exec_prepared1("has_other_nodes", node)[0].as<bool>();
        const auto verdict = judge(known, folder);
        if (verdict == StagingVerdict::Refuse)
            throw Error(ErrorClass::Permanent, unproved_text(*known, staging), unproved_remedy(*known, staging));
        if (verdict == StagingVerdict::Ours) {
            if (folder.is_alone) w.exec_prepared("note_folder", node, staging); // it was moved with all that is in it
            return ProvedStaging{*known, "", is_own};
        }
        w.exec_prepared0("forget_mark");
        ProvedStaging made{mark_from(w.exec_prepared1("new_mark", node, staging)), known && known->folder != staging ? known->folder : "",
                           is_own};
        make_mark(staging, made.mark.mark); // before the commit: no other node sees a mark whose file is not there
        return made;
    });
}

bool still_has_mark(const fs::path& staging, const StagingMark& known, MayRemake may) {
    std::error_code failure;
    if (fs::exists(mark_file(staging, known.mark), failure)) return true;
    if (may == MayRemake::No) return false;
    fs::create_directories(staging, failure);
    try {
        make_mark(staging, known.mark);
    } catch (const Error&) {
        return false;
    }
    return true;
}

const std::vector<Statement>& staging_statements() {
    static const std::vector<Statement> all{
        {"one_marks", one_marks},     {"staging_mark", staging_mark}, {"has_other_nodes", has_other_nodes},
        {"forget_mark", forget_mark}, {"note_folder", note_folder},   {"new_mark", new_mark},
    };
    return all;
}

} // namespace millrace
