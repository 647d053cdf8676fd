#include "scheduler/store/migrate.hpp"

#include "flows/error.hpp"
#include "flows/version.hpp"
#include "scheduler/one_line.hpp"
#include "scheduler/store/database.hpp"
#include "scheduler/store/migrations/m0001_tables.hpp"
#include "scheduler/store/migrations/m0002_retired_slots.hpp"
#include "scheduler/store/migrations/m0003_periods.hpp"
#include "scheduler/store/migrations/m0004_credentials.hpp"
#include "scheduler/store/migrations/m0005_breaches.hpp"
#include "scheduler/store/migrations/m0006_held_schedules.hpp"
#include "scheduler/store/migrations/m0007_requests.hpp"
#include "scheduler/store/migrations/m0008_settled_periods.hpp"
#include "scheduler/store/migrations/m0009_staging.hpp"
#include "scheduler/store/migrations/m0010_lines.hpp"
#include "scheduler/store/migrations/m0011_clocks.hpp"
#include "scheduler/store/migrations/m0012_bounds.hpp"
#include "scheduler/store/migrations/m0013_told.hpp"

#include <pqxx/pqxx>

#include <array>

namespace millrace {
namespace {

/// Number n is at place n - 1. A migration that has been released is never changed.
constexpr std::array steps{
    migrations::m0001_tables,   migrations::m0002_retired_slots,  migrations::m0003_periods,  migrations::m0004_credentials,
    migrations::m0005_breaches, migrations::m0006_held_schedules, migrations::m0007_requests, migrations::m0008_settled_periods,
    migrations::m0009_staging,  migrations::m0010_lines,          migrations::m0011_clocks,   migrations::m0012_bounds,
    migrations::m0013_told,
};

constexpr const char* bookkeeping = R"sql(
    create schema if not exists millrace;
    create table if not exists millrace.migration (
        number     int primary key,
        program    text not null,
        applied_at timestamptz not null default now()
    ))sql";

} // namespace

int schema_version() { return static_cast<int>(steps.size()); }

static void migrate_store(const std::string& url) {
    pqxx::connection connection(url);
    pqxx::work work(connection);
    work.exec("set local client_min_messages = warning; select pg_advisory_xact_lock(7244604221021)");
    // Looking first keeps the usual start from waking the catalog with DDL.
    const bool known = !work.exec1("select to_regclass('millrace.migration')")[0].is_null();
    if (!known) work.exec(bookkeeping);
    const int stored = work.exec1("select coalesce(max(number), 0) from millrace.migration")[0].as<int>();
    if (stored > schema_version())
        throw Error(ErrorClass::Permanent,
                    "the store has schema version " + std::to_string(stored) + ", this program knows only " +
                        std::to_string(schema_version()),
                    "install the version of millrace that wrote it, or a newer one");
    for (int number = stored + 1; number <= schema_version(); ++number) {
        work.exec(steps[static_cast<std::size_t>(number - 1)]);
        work.exec_params("insert into millrace.migration (number, program) values ($1, $2)", number, version);
    }
    work.commit();
}

void migrate(const std::string& url) {
    try {
        migrate_store(url);
    } catch (const pqxx::failure& e) {
        throw Error(is_transient(e) ? ErrorClass::Transient : ErrorClass::Permanent, "the store cannot be used: " + one_line(e.what()),
                    "check `database:` in millrace.yaml or MILLRACE_DATABASE, and that the server runs and lets us in");
    }
}

} // namespace millrace
