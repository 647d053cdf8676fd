#include "scheduler/disk_guard.hpp"

#include <spdlog/spdlog.h>

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace millrace {
namespace {

constexpr auto fresh = std::chrono::milliseconds(100);
constexpr const char* remedy = "free space there: remove what is not Millrace's, or give the disk more; runs go on by themselves";

std::uint64_t size_on_disk(const std::string& file) {
    struct stat found {};
    return ::stat(file.c_str(), &found) == 0 ? static_cast<std::uint64_t>(found.st_blocks) * 512 : 0;
}

} // namespace

std::optional<DiskSpace> disk_space(const std::string& folder) {
    struct statvfs found {};
    if (::statvfs(folder.c_str(), &found) != 0) return std::nullopt;
    return DiskSpace{found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize};
}

DiskGuard::DiskGuard(Clock& clock, std::string staging, std::string state, std::function<void(EventRow)> report, Measure measure)
    : clock_(clock), staging_(std::move(staging)), state_(std::move(state)), report_(std::move(report)), measure_(std::move(measure)),
      reserve_(size_on_disk(reserve_file())) {
    measure_staging();
}

void DiskGuard::measure_staging() {
    measured_at_ = clock_.uptime();
    const auto found = measure_(staging_);
    if (!found || found->size == 0) return shortage_.clear(); // an attempt that cannot write there says why
    disk_ = *found;
    shortage_ = told_shortage(disk_, staging_);
}

const std::string& DiskGuard::shortage() {
    if (clock_.uptime() - measured_at_ >= fresh) measure_staging();
    return shortage_;
}

void DiskGuard::look() {
    keep_reserve();
    measure_staging();
    if (shortage_.empty() == !told_) return;
    told_ = !shortage_.empty();
    if (told_) {
        spdlog::error("disk=full reason=\"{}\" remedy=\"{}\"", shortage_, remedy);
        tell("disk_full", shortage_ + ": those that are due wait. " + remedy);
    } else {
        spdlog::info("disk=free folder={} free={}", staging_, disk_.free);
        tell("disk_free", "there is room again in " + staging_ + ": task runs begin");
    }
}

void DiskGuard::tell(const char* kind, const std::string& message) {
    EventRow event;
    event.at = clock_.now();
    event.kind = kind;
    event.message = message;
    event.details = figures();
    report_(std::move(event));
}

Json DiskGuard::figures() const {
    return {{"staging_free_bytes", disk_.free}, {"staging_needed_bytes", enough_free(disk_)}, {"reserve_bytes", reserve_}};
}

void DiskGuard::keep_reserve() {
    const auto disk = measure_(state_);
    if (!disk) return;
    switch (reserve_step(*disk, reserve_)) {
    case ReserveStep::Keep: return;
    case ReserveStep::GiveUp: return give_up(*disk);
    case ReserveStep::Make: return make(reserve_size(*disk));
    }
}

void DiskGuard::give_up(const DiskSpace& disk) {
    if (::unlink(reserve_file().c_str()) != 0 && errno != ENOENT) return;
    spdlog::error("disk=full folder={} free={} action=\"gave up its reserve of {} bytes\" remedy=\"{}\"", state_, disk.free, reserve_,
                  remedy);
    reserve_ = 0;
    tell("disk_full", "the disk of " + state_ + " is full: the daemon's reserve was given up, so that it can still record. " + remedy);
}

void DiskGuard::make(std::uint64_t bytes) {
    const int file = ::open(reserve_file().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    const int failure = file < 0 ? errno : ::posix_fallocate(file, 0, static_cast<off_t>(bytes));
    if (file >= 0) ::close(file);
    if (failure == 0) {
        reserve_ = bytes;
        cannot_make_ = false;
        return;
    }
    ::unlink(reserve_file().c_str());
    if (!std::exchange(cannot_make_, true))
        spdlog::warn("disk=unguarded reason=\"{} cannot be made: {}\"", reserve_file(), std::strerror(failure));
}

} // namespace millrace
