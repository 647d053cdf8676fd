/// What an extraction keeps on disk: the raw records as they came (NDJSON, zstd, named by their content) and, per slice, a
/// manifest that makes them and the typed Parquet parts visible. A slice without a manifest was never finished.
///
/// Layout below the task run's staging folder:
///     raw/<sha256>.ndjson.zst        one record per line, byte for byte except line breaks between tokens
///     part-<slice>-<n>.parquet       the same records, typed
///     raw/rejected-<slice>-<n>.ndjson   those that broke the contract
///     slices/<slice>.json            SliceManifest, written last
/// Raw records are personal data: the folders are 0700.
#pragma once

#include "connectors/manifest.hpp"
#include "flows/json.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

struct RawFile {
    std::string file; ///< below the staging folder
    std::int64_t records = 0;
    std::int64_t bytes = 0; ///< before compression
    std::string sha256;     ///< of the file
};

struct SliceManifest {
    std::string slice; ///< what it is, by content: hash of resource, window, item and request
    std::string label; ///< for people: "2026-11-01 .. 2026-11-02"
    std::int64_t pages = 0, records = 0, bytes = 0;
    std::optional<std::int64_t> announced; ///< records as the source said
    std::vector<RawFile> raw;
    std::vector<ManifestPart> parts;
    std::vector<std::string> mistakes;          ///< records that broke the contract, the first of them
    std::int64_t rejected = 0;                  ///< how many did
    std::string quarantine;                     ///< files with their raw text, a space between two; empty: none
    std::string failed;                         ///< the slice was given up for this reason (allow_failed); it has no records
    bool complete = true;                       ///< false: cut short by a row limit, or drifted to the end
    std::string extracted_at;                   ///< RFC 3339, of its first request
    std::map<std::string, std::string> unknown; ///< undeclared members: path -> kind of value
};
MILLRACE_JSON(RawFile)
MILLRACE_JSON(SliceManifest)

/// Writes one raw file. Not finished: nothing of it is left.
class RawWriter {
public:
    /// `folder`: the staging folder. Throws Error{Resource} when the disk is full, else Error{Transient}.
    explicit RawWriter(const std::string& folder);
    RawWriter(RawWriter&&) noexcept;
    ~RawWriter();

    /// One record; line breaks in it become spaces (they can only stand between tokens).
    void add(std::string_view record);
    [[nodiscard]] RawFile finish();

private:
    struct File;
    std::unique_ptr<File> file_;
};

/// The records of a raw file, in order. Throws Error{BadData} for a damaged file.
class RawReader {
public:
    explicit RawReader(const std::string& path);
    ~RawReader();
    /// False at the end. The view is valid until the next call.
    bool next(std::string_view& record);

private:
    struct File;
    std::unique_ptr<File> file_;
};

/// Makes `raw` and `slices` below `folder`, for the owner only.
void prepare_spool(const std::string& folder);
/// Nothing when the slice was never finished, its manifest cannot be read, or one of its files is gone or has another size.
[[nodiscard]] std::optional<SliceManifest> read_slice(const std::string& folder, const std::string& slice);
/// fsync, rename, fsync of the folder.
void write_slice(const std::string& folder, const SliceManifest& manifest);

} // namespace millrace
