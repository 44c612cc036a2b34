#include "loader/host/module_list.hpp"
#include "loader/linux/wine.hpp"

#include <fmt/format.h>

#include <string>

namespace suture::loader {

namespace {

// The loader's list of what was initialised, in PEB_LDR_DATA (winternl.h of Wine) on 64 bits.
constexpr std::uint32_t kPebLoader = 0x18;
constexpr std::uint32_t kInitializationOrder = 0x30;
/// The list changes while it is read when the process loads or unloads.
constexpr int kAttempts = 8;

/// Wine maps the headers of an image from its file, also where it copies the sections. Its own modules for Arm64 are no
/// images but ELF libraries, whose headers it makes in memory: they have no file that would say more.
std::string path_of(const std::vector<MapEntry>& maps, Va base) {
    const MapEntry* entry = find_entry(maps, base);
    if (!entry || entry->inode == 0 || entry->path.ends_with(" (deleted)"))
        return {};
    return entry->path;
}

ReadMemory reader_of(const Memory& memory) {
    return [&memory](Va at, std::span<std::uint8_t> into) { return memory.read(at, into); };
}

} // namespace

Result<std::vector<target::Module>> list_modules(const Memory& memory, Va peb, const std::vector<MapEntry>& maps) {
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        auto listed = walk_modules(reader_of(memory), peb, ModuleOrder::loaded);
        if (!listed)
            continue;
        if (listed->empty())
            return fail(Code::target_not_pe, fmt::format("process {} has loaded no module yet", memory.pid()));
        std::vector<target::Module> modules;
        for (ListedModule& module : *listed)
            modules.push_back({std::move(module.name), module.range, path_of(maps, module.range.begin)});
        return modules;
    }
    SUTURE_CHECK(memory.check_alive());
    return fail(Code::target_read_failed,
                fmt::format("the list of modules of process {} is damaged or changes all the time", memory.pid()));
}

bool any_module_has_begun(const Memory& memory, Va peb) {
    const auto loader = memory.value<std::uint64_t>(peb + kPebLoader);
    if (!loader || *loader == 0)
        return false;
    const Va head = Va{*loader} + kInitializationOrder;
    const auto first = memory.value<std::uint64_t>(head);
    return first && *first != 0 && *first != head.value;
}

std::optional<std::vector<std::string>> modules_that_have_begun(const Memory& memory, Va peb) {
    const auto modules = walk_modules(reader_of(memory), peb, ModuleOrder::initialized);
    if (!modules)
        return std::nullopt;
    std::vector<std::string> names;
    for (const ListedModule& module : *modules)
        names.push_back(module.name);
    return names;
}

} // namespace suture::loader
