/// Time zones of a test's own, which a system update replaces.
#pragma once

#include "flows/zone.hpp"
#include "folder.hpp"

namespace millrace::test {

class ZoneFolder {
public:
    ZoneFolder() {
        for (const std::string name : {"UTC", "Europe/Berlin", "America/Sao_Paulo"}) becomes(name, name);
        setenv("TZDIR", folder_.path.c_str(), 1);
        (void)refresh_zones();
    }
    ~ZoneFolder() {
        unsetenv("TZDIR");
        (void)refresh_zones();
    }
    ZoneFolder(const ZoneFolder&) = delete;
    ZoneFolder& operator=(const ZoneFolder&) = delete;

    /// From now on its file is that of `other`.
    void becomes(const std::string& name, const std::string& other) const {
        const auto file = folder_.path / name;
        std::filesystem::create_directories(file.parent_path());
        std::filesystem::copy_file("/usr/share/zoneinfo/" + other, folder_.path / "new");
        std::filesystem::rename(folder_.path / "new", file);
    }

private:
    Folder folder_;
};

} // namespace millrace::test
