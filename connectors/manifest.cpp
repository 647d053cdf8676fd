#include "connectors/manifest.hpp"

#include "connectors/descriptor.hpp"
#include "flows/error.hpp"
#include "flows/hash.hpp"
#include "flows/sql_identifier.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <openssl/evp.h>
#include <unistd.h>
#include <utility>

namespace millrace {

MILLRACE_JSON_MEMBERS(ManifestColumn, name, type, nullable)
MILLRACE_JSON_MEMBERS(ManifestPart, file, rows, bytes, sha256)
MILLRACE_JSON_MEMBERS(Manifest, task, hash, rows, columns, parts, complete, doubts, extracted_at, interval_key, slices, failed, rejected,
                      warned, quarantine, sensitive)
namespace {

namespace fs = std::filesystem;

} // namespace

std::string content_hash(const Manifest& m) {
    std::string text;
    for (const ManifestColumn& c : m.columns) text += Json(c).dump() + "\n";
    for (const ManifestPart& p : m.parts) text += std::to_string(p.rows) + " " + p.sha256 + "\n";
    return sha256_hex(text);
}

ManifestPart finish_part(const std::string& folder, const std::string& file, std::int64_t rows, Durable when) {
    const Descriptor part(folder + "/" + file, O_RDONLY);
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> digest(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    EVP_DigestInit_ex(digest.get(), EVP_sha256(), nullptr);
    ManifestPart out{file, rows, 0, ""};
    std::vector<char> block(1 << 18);
    while (const std::size_t n = part.read(block.data(), block.size())) {
        EVP_DigestUpdate(digest.get(), block.data(), n);
        out.bytes += static_cast<std::int64_t>(n);
    }
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    EVP_DigestFinal_ex(digest.get(), sum, &length);
    constexpr const char* hex = "0123456789abcdef";
    for (unsigned i = 0; i < length; ++i) (out.sha256 += hex[sum[i] >> 4]) += hex[sum[i] & 15];
    when == Durable::Now ? part.sync() : part.begin_sync();
    return out;
}

std::string write_manifest(const std::string& folder, Manifest& manifest, const std::string& name,
                           const std::vector<std::string>& unsynced) {
    manifest.hash = content_hash(manifest);
    const std::string path = folder + "/" + name, draft = path + "." + std::to_string(::getpid()) + ".tmp";
    const std::string text = Json(manifest).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    const Descriptor file(draft, O_WRONLY | O_CREAT | O_TRUNC);
    file.write(text.data(), text.size());
    file.begin_sync();
    if (::rename(draft.c_str(), path.c_str()) != 0) refuse_file("cannot rename", draft);
    // Synced after the renaming, since nobody reads the files before their task is completed: all is one commit of the file system.
    file.sync();
    for (const std::string& part : unsynced) Descriptor(folder + "/" + part, O_RDONLY).sync();
    sync_folder(folder);
    return path;
}

Manifest read_manifest(const std::string& path) {
    std::ifstream in(path);
    const Json j = in ? Json::parse(in, nullptr, false) : Json();
    if (!j.is_object())
        throw Error(ErrorClass::Permanent,
                    "the dataset " + path + " cannot be read: " + (in ? "its manifest is damaged" : std::strerror(errno)),
                    std::string(new_run_remedy) + ": the run's staging folder was removed or damaged");
    return j.get<Manifest>();
}

std::string rows_of(const std::string& manifest_path, const Manifest& manifest) {
    if (manifest.parts.empty()) {
        std::string columns;
        for (const ManifestColumn& c : manifest.columns)
            columns += (columns.empty() ? "" : ", ") + ("CAST(NULL AS " + c.type + ") AS " + quote_identifier(c.name));
        return "(SELECT " + (columns.empty() ? "1 AS nothing" : columns) + " WHERE false)";
    }
    const std::string folder = fs::path(manifest_path).parent_path();
    std::string files, names;
    for (const ManifestPart& p : manifest.parts) files += (files.empty() ? "" : ", ") + quote_literal(folder + "/" + p.file);
    for (const ManifestColumn& c : manifest.columns) names += (names.empty() ? "" : ", ") + quote_identifier(c.name);
    return "(SELECT " + names + " FROM read_parquet([" + files + "]))"; // a part may hold columns of its writer's own
}

} // namespace millrace
