#include "connectors/targets/postgres/row_source.hpp"

namespace millrace::postgres {
namespace {

duckdb::Statement prepared(duckdb::Connection& db, const std::string& sql, const duckdb::Bindings& values) {
    duckdb::Statement statement = db.prepare(sql);
    statement.bind(values);
    return statement;
}

} // namespace

RowSource::RowSource(duckdb::Connection& db, const std::string& sql, const duckdb::Bindings& values, const TablePlan& plan)
    : plan_(plan), statement_(prepared(db, sql, values)), result_(statement_.stream()), offsets_(plan.columns.size()) {}

bool RowSource::next() {
    while (!chunk_ || row_in_chunk_ == chunk_->rows()) {
        chunk_.reset();
        if (auto more = result_.next())
            chunk_.emplace(std::move(*more));
        else
            return false;
        row_in_chunk_ = 0;
    }
    encode();
    ++row_in_chunk_;
    return true;
}

void RowSource::encode() {
    row_.clear();
    append_int16(row_, static_cast<std::int16_t>(plan_.columns.size()));
    for (std::size_t i = 0; i < plan_.columns.size(); ++i) {
        const PlannedColumn& column = plan_.columns[i];
        offsets_[i] = row_.size();
        if (column.source < 0)
            row_ += column.constant;
        else
            try {
                append_field(row_, (*chunk_)[static_cast<std::size_t>(column.source)], row_in_chunk_, column.wire);
            } catch (const Error& e) {
                const std::string key = key_of(row_in_chunk_);
                throw Error(e.error_class,
                            "column " + column.target.name + (key.empty() ? "" : " of the row with the key (" + key + ")") + ": " +
                                e.what(),
                            e.remedy);
            }
    }
}

std::uint64_t RowSource::hash(int seed, bool PlannedColumn::*chosen) const {
    RowHasher hasher(static_cast<std::uint64_t>(seed));
    for (std::size_t i = 0; i < plan_.columns.size(); ++i)
        if (plan_.columns[i].*chosen) hasher.add(row_.data() + offsets_[i], plan_.columns[i].wire);
    return hasher.value();
}

std::string RowSource::shown_key() const { return key_of(row_in_chunk_ - 1); }

std::string RowSource::key_of(std::uint64_t row_in_chunk) const {
    std::string out;
    for (const PlannedColumn& c : plan_.columns)
        if (c.is_key) out += (out.empty() ? "" : ", ") + (*chunk_)[static_cast<std::size_t>(c.source)].display(row_in_chunk);
    return out;
}

} // namespace millrace::postgres
