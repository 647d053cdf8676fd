/// A table that a dataset goes into: what is there, what has to be made, and how each column is written.
#pragma once

#include "connectors/targets/postgres/field.hpp"
#include "connectors/targets/postgres/session.hpp"
#include "connectors/targets/target.hpp"

#include <set>
#include <string>
#include <vector>

namespace millrace::postgres {

struct TableName {
    std::string schema, table;
    [[nodiscard]] std::string quoted() const;  ///< "schema"."table"
    [[nodiscard]] std::string display() const; ///< schema.table
};

/// `[schema.]table` as a flow writes it. Throws Error{Permanent} for a name over 63 bytes.
[[nodiscard]] TableName parse_table_name(const std::string& text, const std::string& default_schema);

struct PlannedColumn {
    TargetColumn target;
    Wire wire = Wire::Text;
    int source = -1;      ///< column of the dataset; -1: a stamp
    std::string constant; ///< a stamp's field in COPY's form
    bool is_key = false;
    bool compared = true; ///< a difference in it makes the row a changed one; never of stamps
};

struct TablePlan {
    TableName name;
    std::vector<PlannedColumn> columns; ///< what is written, dataset's columns first
    std::vector<std::string> key;
    bool created = false; ///< by this load
    bool has_rows = false;
    bool nullable_key = false;         ///< a key column of the table may hold NULL
    std::set<std::string> key_indexes; ///< names of unique indexes on exactly the key
    bool is_unique = false;            ///< a unique index, on the key or a part of it, keeps it from being there twice
    double estimated_rows = 0;
    std::vector<std::string> unfilled; ///< columns of the table that are NOT NULL without a default, and not among `columns`
    bool has_gatekeeper = false;       ///< a trigger before each row, or a rule: what is written need not arrive

    [[nodiscard]] bool has_column(const std::string& column) const;
    [[nodiscard]] bool has_jsonb() const;
    [[nodiscard]] std::vector<TargetColumn> key_columns() const;
    [[nodiscard]] std::vector<TargetColumn> compared_columns() const;
};

/// Looks at the table inside the running transaction; creates it, or adds columns that it lacks (an event), where `create: auto`.
/// A run with a row limit gets a table of its own each time. Throws Error{Permanent} for a table that is missing with
/// `create: never`, a retyped column, one that is there in other letters, a key that is no column.
[[nodiscard]] TablePlan plan_table(Session& session, const LoadRequest& request, const LoadRequest::Table& table,
                                   const LoadMonitor& monitor, const std::string& default_schema,
                                   const std::vector<duckdb::Column>& dataset);

} // namespace millrace::postgres
