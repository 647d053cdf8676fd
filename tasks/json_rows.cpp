#include "tasks/json_rows.hpp"

#include "connectors/http/record_writer.hpp"
#include "flows/error.hpp"
#include "tasks/contract.hpp"

#include <cstring>
#include <fmt/format.h>
#include <fstream>

namespace millrace {
namespace {

constexpr std::size_t block_bytes = 4 << 20;
constexpr std::size_t padding = 64; ///< that JsonIndex may read behind the text

bool is_nested(const std::string& type) {
    return type == "JSON" || type.ends_with("]") || type.starts_with("STRUCT") || type.starts_with("MAP");
}

ResourceSpec spec_of(const std::vector<ColumnSpec>& contract) {
    ResourceSpec spec;
    spec.name = "output";
    for (const ColumnSpec& c : contract) spec.columns.push_back({c.name, is_nested(c.type) ? stored_type(c.type) : "VARCHAR", true});
    return spec;
}

std::vector<duckdb::ColumnText> texts_of(const ResourceSpec& spec) {
    std::vector<duckdb::ColumnText> out;
    for (const SourceColumn& c : spec.columns) out.push_back({c.name, c.type});
    return out;
}

} // namespace

struct JsonRows::Reader {
    Reader(duckdb::Connection& db, const std::string& path, const std::vector<ColumnSpec>& contract)
        : spec(spec_of(contract)), columns(duckdb::resolve_columns(db, texts_of(spec))),
          writer(spec, columns, RecordWriter::Scalars::AsText), in(path, std::ios::binary) {}

    /// Appends up to so many bytes of the file.
    void read(std::size_t bytes) {
        const std::size_t had = text.size();
        text.resize(had + bytes);
        in.read(text.data() + had, static_cast<std::streamsize>(bytes));
        text.resize(had + static_cast<std::size_t>(in.gcount()));
    }
    void read_rest() {
        while (in) read(std::max(block_bytes, text.size()));
    }

    void index_records(std::size_t bytes) {
        starts.clear();
        used = bytes;
        text.resize(text.size() + padding);
        index.read(std::string_view(text).substr(0, bytes));
        text.resize(text.size() - padding); // keeps the bytes
        JsonCursor cursor(index);
        const bool list = cursor.accept('[');
        if (list && !cursor.accept(']')) {
            do add(cursor);
            while (cursor.accept(','));
            cursor.expect(']');
        }
        while (!list && !cursor.at_end()) add(cursor);
        if (!cursor.at_end()) cursor.refuse("something follows the list");
    }
    void add(JsonCursor& cursor) {
        starts.push_back(cursor);
        (void)cursor.skip();
    }

    /// The next records; false at the end. A block ends with a line; where a record goes over lines, all of the rest is one block.
    bool load() {
        text.erase(0, used);
        used = at = 0;
        starts.clear();
        if (in) read(block_bytes);
        const std::size_t first = text.find_first_not_of(" \t\r\n");
        if (first == std::string::npos) {
            used = text.size();
            return static_cast<bool>(in) && load();
        }
        if (text[first] == '[') read_rest();
        const std::size_t line = text.rfind('\n');
        try {
            index_records(in && line != std::string::npos ? line + 1 : text.size());
        } catch (const JsonMistake&) {
            if (!in) throw;
            read_rest();
            index_records(text.size());
        }
        return !starts.empty() || load();
    }

    std::uint64_t fill(std::vector<duckdb::ColumnWriter>& out, std::uint64_t capacity) {
        try {
            if (at == starts.size() && !load()) return 0;
            std::uint64_t rows = 0;
            for (; rows < capacity && at < starts.size(); ++rows, ++at, ++number) {
                writer.write(starts[at], out, rows);
                if (writer.had_unknown_member())
                    throw RecordMistake("has the member '" + writer.take_unknown_members().begin()->first + "', which `columns` lacks");
            }
            return rows;
        } catch (const RecordMistake& e) {
            throw Error(ErrorClass::BadData, fmt::format("record {} of the command's output {}", number, e.what()),
                        "write what `columns` declares, or declare what is written");
        } catch (const EncodingMistake& e) {
            throw Error(ErrorClass::BadData, fmt::format("the command's output is no JSON after record {}: {}", number - 1, e.what()),
                        "write it in UTF-8");
        } catch (const JsonMistake& e) {
            throw Error(ErrorClass::BadData, fmt::format("the command's output is no JSON after record {}: {}", number - 1, e.what()),
                        "write a list of objects, or one object a line");
        }
    }

    ResourceSpec spec;
    std::vector<duckdb::Column> columns;
    RecordWriter writer;
    std::ifstream in;
    std::string text;     ///< a block of the file
    std::size_t used = 0; ///< bytes of it that the records below stand in
    JsonIndex index;
    std::vector<JsonCursor> starts; ///< of the records
    std::size_t at = 0;             ///< of the next one
    std::int64_t number = 1;        ///< of the next one in the file
};

JsonRows::JsonRows(duckdb::Connection& db, const std::string& path, const std::vector<ColumnSpec>& columns)
    : reader_(std::make_unique<Reader>(db, path, columns)),
      source_(std::make_unique<duckdb::RowSource>(db, texts_of(reader_->spec),
                                                  [this](auto& out, std::uint64_t capacity) { return reader_->fill(out, capacity); })) {}
JsonRows::~JsonRows() = default;

std::string JsonRows::sql() const { return source_->sql(); }
void JsonRows::rethrow() const { source_->rethrow(); }

void explain_json(const std::string& said, const std::string& path) {
    const std::string before = "Malformed JSON in file \"" + path + "\"";
    if (!said.starts_with(before)) return;
    const std::size_t colon = said.find(": ", before.size()), begin = colon == std::string::npos ? before.size() : colon;
    const std::string reason = said.substr(begin, said.find(". ", begin) - begin); // the number of the record before it is one too high
    throw Error(ErrorClass::BadData, "the command's output is no JSON that can be read" + reason,
                "write one object a line, or one list of objects, to its end; with `columns` the record is told");
}

} // namespace millrace
