/// The manifest of a dataset: the file that makes it visible. Parts lie beside it; it is written last, so a folder
/// without one holds nothing that anybody may read. Written once, never changed.
#pragma once

#include "flows/json.hpp"

#include <optional>
#include <set>
#include <string>
#include <vector>

namespace millrace {

struct ManifestColumn {
    std::string name;
    std::string type;                  ///< DuckDB's spelling
    std::optional<bool> nullable = {}; ///< as the contract says; none: there is no contract
};

struct ManifestPart {
    std::string file; ///< beside the manifest, "part-00000.parquet"
    std::int64_t rows = 0;
    std::int64_t bytes = 0;
    std::string sha256;
};

struct Manifest {
    std::string task;
    std::string hash; ///< of columns, and of the rows by what the parts contain; see content_hash
    std::int64_t rows = 0;
    std::vector<ManifestColumn> columns;
    std::vector<ManifestPart> parts; ///< none: an empty dataset, which still has its columns
    bool complete = false;           ///< all that there is: no window, no narrowing filter, no doubts
    std::set<std::string> doubts;    ///< why a row that still exists may be missing here (failed slices, rejected rows, drift, a row
                                     ///< limit), inherited by all that is made of it: no missing row is a deleted one then, in no scope
    std::string extracted_at;        ///< RFC 3339; when the oldest of what it is made of was asked for
    std::string interval_key;
    std::int64_t slices = 0;
    std::int64_t failed = 0;   ///< slices that `allow_failed` let pass
    std::int64_t rejected = 0; ///< rows that the contract kept out
    std::int64_t warned = 0;   ///< rows that break a check of severity warn, of each check; they stay
    std::string quarantine;    ///< manifest of the rows of both, beside this one (tasks/rejects); empty: none were kept
    bool sensitive = false;    ///< made of records whose values are masked where they are shown; inherited

    void doubt(const std::string& why) {
        doubts.insert(why);
        complete = false;
    }
};
MILLRACE_JSON(ManifestColumn)
MILLRACE_JSON(ManifestPart)
MILLRACE_JSON(Manifest)

/// SHA-256 over columns and the parts' rows and sha256: two datasets with this hash hold the same bytes.
[[nodiscard]] std::string content_hash(const Manifest& manifest);

/// When the bytes of a part are on disk (fsync): when finish_part returns, or when write_manifest does that is told of it.
enum class Durable { Now, WithManifest };

/// Size and SHA-256 of a finished part.
[[nodiscard]] ManifestPart finish_part(const std::string& folder, const std::string& file, std::int64_t rows, Durable when = Durable::Now);

/// Writes `<folder>/<name>`: `hash` filled in, temporary file, rename, fsync of file, of the parts `unsynced` and of the folder.
/// Gives the path.
std::string write_manifest(const std::string& folder, Manifest& manifest, const std::string& name = "manifest.json",
                           const std::vector<std::string>& unsynced = {});

/// Throws Error{Permanent} when it cannot be read or is none.
[[nodiscard]] Manifest read_manifest(const std::string& path);

/// SQL that gives the dataset's rows and exactly its columns, to stand after FROM; an empty relation for an empty dataset.
[[nodiscard]] std::string rows_of(const std::string& manifest_path, const Manifest& manifest);

} // namespace millrace
