#include "connectors/spool.hpp"

#include "connectors/descriptor.hpp"
#include "flows/error.hpp"
#include "flows/hash.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <openssl/evp.h>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

namespace millrace {

MILLRACE_JSON_MEMBERS(RawFile, file, records, bytes, sha256)
MILLRACE_JSON_MEMBERS(SliceManifest, slice, label, pages, records, bytes, announced, raw, parts, mistakes, rejected, quarantine, failed,
                      complete, extracted_at, unknown)
namespace {

namespace fs = std::filesystem;

/// One of the fast levels: a third of level 1's time, and JSON shrinks to a sixth all the same.
constexpr int compression_level = -3;

std::string hex(const unsigned char* bytes, unsigned n) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string text;
    for (unsigned i = 0; i < n; ++i) (text += digits[bytes[i] >> 4]) += digits[bytes[i] & 15];
    return text;
}

bool has_size(const std::string& path, std::int64_t size) {
    struct stat found {};
    return ::stat(path.c_str(), &found) == 0 && (size < 0 || found.st_size == size);
}

} // namespace

struct RawWriter::File {
    explicit File(const std::string& folder_)
        : folder(folder_), out(temporary_name(folder_), O_WRONLY | O_CREAT | O_TRUNC), compressor(ZSTD_createCCtx(), ZSTD_freeCCtx),
          digest(EVP_MD_CTX_new(), EVP_MD_CTX_free), packed(ZSTD_CStreamOutSize()) {
        ZSTD_CCtx_setParameter(compressor.get(), ZSTD_c_compressionLevel, compression_level);
        ZSTD_CCtx_setParameter(compressor.get(), ZSTD_c_checksumFlag, 1);
        EVP_DigestInit_ex(digest.get(), EVP_sha256(), nullptr);
        gathered.reserve(1 << 18);
    }
    ~File() {
        if (!finished) ::unlink(out.path().c_str());
    }
    static std::string temporary_name(const std::string& folder) {
        static std::atomic<std::uint64_t> number{0};
        return folder + "/raw/unfinished-" + std::to_string(::getpid()) + "-" + std::to_string(++number);
    }
    void compress(ZSTD_EndDirective directive) {
        ZSTD_inBuffer in{gathered.data(), gathered.size(), 0};
        std::size_t left = 0;
        do {
            ZSTD_outBuffer to{packed.data(), packed.size(), 0};
            left = ZSTD_compressStream2(compressor.get(), &to, &in, directive);
            if (ZSTD_isError(left) != 0) throw Error(ErrorClass::Resource, std::string("zstd: ") + ZSTD_getErrorName(left));
            EVP_DigestUpdate(digest.get(), packed.data(), to.pos);
            out.write(packed.data(), to.pos);
        } while (directive == ZSTD_e_end ? left != 0 : in.pos < in.size);
        gathered.clear();
    }

    std::string folder;
    Descriptor out;
    std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> compressor;
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> digest;
    std::vector<char> packed;
    std::string gathered; ///< lines not yet compressed
    RawFile result;
    bool finished = false;
};

RawWriter::RawWriter(const std::string& folder) : file_(std::make_unique<File>(folder)) {}
RawWriter::RawWriter(RawWriter&&) noexcept = default;
RawWriter::~RawWriter() = default;

void RawWriter::add(std::string_view record) {
    File& f = *file_;
    const std::size_t from = f.gathered.size();
    f.gathered.append(record);
    if (std::memchr(record.data(), '\n', record.size()) != nullptr || std::memchr(record.data(), '\r', record.size()) != nullptr)
        std::replace_if(
            f.gathered.begin() + static_cast<std::ptrdiff_t>(from), f.gathered.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
    f.gathered += '\n';
    f.result.bytes += static_cast<std::int64_t>(record.size() + 1);
    ++f.result.records;
    if (f.gathered.size() >= 1 << 17) f.compress(ZSTD_e_continue);
}

RawFile RawWriter::finish() {
    File& f = *file_;
    f.compress(ZSTD_e_end);
    f.out.sync();
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    EVP_DigestFinal_ex(f.digest.get(), sum, &length);
    f.result.sha256 = hex(sum, length);
    f.result.file = "raw/" + f.result.sha256 + ".ndjson.zst";
    const std::string path = f.folder + "/" + f.result.file;
    if (::rename(f.out.path().c_str(), path.c_str()) != 0) refuse_file("cannot rename to", path);
    f.finished = true;
    return f.result;
}

struct RawReader::File {
    explicit File(const std::string& path)
        : in(path, O_RDONLY), decompressor(ZSTD_createDCtx(), ZSTD_freeDCtx), packed(ZSTD_DStreamInSize()) {}
    Descriptor in;
    std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> decompressor;
    std::vector<char> packed;
    ZSTD_inBuffer source{nullptr, 0, 0};
    std::string text; ///< decompressed, from `from` on not yet given out
    std::size_t from = 0;
    std::size_t open_frame = 0; ///< not 0: the frame is not complete
};

RawReader::RawReader(const std::string& path) : file_(std::make_unique<File>(path)) {}
RawReader::~RawReader() = default;

bool RawReader::next(std::string_view& record) {
    File& f = *file_;
    for (;;) {
        const auto line = f.text.find('\n', f.from);
        if (line != std::string::npos) {
            record = std::string_view(f.text).substr(f.from, line - f.from);
            f.from = line + 1;
            return true;
        }
        f.text.erase(0, f.from);
        f.from = 0;
        if (f.source.pos == f.source.size) {
            f.source = {f.packed.data(), f.in.read(f.packed.data(), f.packed.size()), 0};
            if (f.source.size == 0) {
                if (f.open_frame != 0 || !f.text.empty()) throw Error(ErrorClass::BadData, f.in.path() + " is cut short");
                return false;
            }
        }
        const std::size_t had = f.text.size();
        f.text.resize(had + ZSTD_DStreamOutSize());
        ZSTD_outBuffer to{f.text.data() + had, f.text.size() - had, 0};
        f.open_frame = ZSTD_decompressStream(f.decompressor.get(), &to, &f.source);
        if (ZSTD_isError(f.open_frame) != 0)
            throw Error(ErrorClass::BadData, f.in.path() + " is damaged: " + ZSTD_getErrorName(f.open_frame));
        f.text.resize(had + to.pos);
    }
}

void prepare_spool(const std::string& folder) {
    for (const char* name : {"", "/raw", "/slices"}) {
        const std::string path = folder + name;
        std::error_code code;
        fs::create_directories(path, code);
        if (code) {
            errno = code.value();
            refuse_file("cannot make", path);
        }
        if (::chmod(path.c_str(), 0700) != 0) refuse_file("cannot protect", path);
    }
}

std::optional<SliceManifest> read_slice(const std::string& folder, const std::string& slice) {
    std::ifstream in(folder + "/slices/" + slice + ".json");
    if (!in) return {};
    SliceManifest manifest;
    try {
        manifest = Json::parse(in).get<SliceManifest>();
    } catch (const Json::exception&) {
        return {}; // damaged, or of another version
    }
    for (const RawFile& raw : manifest.raw)
        if (!has_size(folder + "/" + raw.file, -1)) return {};
    for (const ManifestPart& part : manifest.parts)
        if (!has_size(folder + "/" + part.file, part.bytes)) return {};
    std::istringstream rejects(manifest.quarantine);
    for (std::string name; rejects >> name;)
        if (!has_size(folder + "/" + name, -1)) return {};
    return manifest;
}

void write_slice(const std::string& folder, const SliceManifest& manifest) {
    const std::string path = folder + "/slices/" + manifest.slice + ".json";
    const std::string text = Json(manifest).dump(1, ' ', false, Json::error_handler_t::replace);
    {
        const Descriptor out(path + ".new", O_WRONLY | O_CREAT | O_TRUNC);
        out.write(text.data(), text.size());
        out.sync();
    }
    if (!manifest.raw.empty() || !manifest.quarantine.empty()) sync_folder(folder + "/raw");
    if (!manifest.parts.empty()) sync_folder(folder);
    if (::rename((path + ".new").c_str(), path.c_str()) != 0) refuse_file("cannot rename to", path);
    sync_folder(folder + "/slices");
}

} // namespace millrace
