#include "daemon/installation.hpp"

#include "flows/error.hpp"

namespace millrace {
namespace fs = std::filesystem;

Installation find_installation(const fs::path& executable) {
    const fs::path bin = executable.parent_path();
    const fs::path share = bin.parent_path() / "share/millrace";
    const fs::path clone = bin.parent_path().parent_path().parent_path(); // of CLONE/build/PRESET/bin
    std::error_code ignored;
    if (fs::is_directory(share / "sources", ignored)) return {bin, share / "flows", share / "sources", share / "dashboard"};
    if (fs::is_directory(clone / "connectors/sources", ignored))
        return {bin, clone / "flows/library", clone / "connectors/sources", share / "dashboard"};
    throw Error(ErrorClass::Permanent, "the declared sources are not in " + (share / "sources").string(),
                "install Millrace again: cmake --install build/release --prefix FOLDER");
}

Installation find_installation() { return find_installation(fs::read_symlink("/proc/self/exe")); }

} // namespace millrace
