/// Migration 9: the staging folder that the nodes of a store share.
#pragma once

namespace millrace::migrations {

inline constexpr const char* m0009_staging = R"sql(
-- At most one row. The folder has a file that is named for `mark`; `folder` is where `node` had it when it made that file.
create table millrace.staging (
    mark    uuid primary key default gen_random_uuid(),
    node    text not null,
    folder  text not null,
    made_at timestamptz not null default clock_timestamp()
);
create unique index staging_one on millrace.staging ((true));
)sql";

} // namespace millrace::migrations
