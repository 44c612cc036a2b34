#include "engine/pe/debug.hpp"

#include "engine/pe/limits.hpp"
#include "engine/pe/raw/directories.hpp"

#include <fmt/format.h>

namespace suture::pe {

namespace {

std::unexpected<Error> bad(Rva at, std::string detail) {
    return fail(Error(Code::pe_bad_directory, "debug directory: " + std::move(detail)).at(at));
}

} // namespace

Result<DebugInfo> debug_info_of(const Image& image) {
    DebugInfo info;
    const RvaRange directory = image.directory(Directory::debug);
    if (directory.size == 0)
        return info;
    const auto entries = image.bytes_at(directory.begin, directory.size);
    if (!entries)
        return bad(directory.begin, "it is not inside one section");
    const std::size_t count = entries->size() / sizeof(raw::DebugDirectory);
    if (entries->size() % sizeof(raw::DebugDirectory) != 0 || count > kMaxDebugEntries)
        return bad(directory.begin, fmt::format("{} bytes", entries->size()));
    for (std::size_t i = 0; i < count; ++i) {
        const auto entry = entries->read<raw::DebugDirectory>(i * sizeof(raw::DebugDirectory));
        // What is not mapped is left out, so that a file and its mapping tell the same.
        if (!entry || entry->address_of_raw_data == 0)
            continue;
        if (entry->type != raw::kDebugCodeView && entry->type != raw::kDebugExDllCharacteristics)
            continue;
        const Rva at{entry->address_of_raw_data};
        const auto data = image.bytes_at(at, entry->size_of_data);
        if (!data)
            return bad(at, fmt::format("the data of entry {} is not inside one section", i));
        if (entry->type == raw::kDebugExDllCharacteristics) {
            const auto flags = data->read<std::uint32_t>(0);
            if (!flags)
                return bad(at, "the extended DLL characteristics are cut off");
            info.ex_dll_characteristics = *flags;
            continue;
        }
        const auto record = data->read<raw::CodeViewRsds>(0);
        if (info.has_pdb || !record || record->signature != raw::kRsdsSignature)
            continue; // records of older kinds name no GUID
        const auto path = data->c_string(sizeof(raw::CodeViewRsds), kMaxName);
        if (!path)
            return bad(at, "the path of the PDB has no end");
        info.has_pdb = true;
        info.guid = record->guid;
        info.age = record->age;
        info.pdb_path = *path;
    }
    return info;
}

} // namespace suture::pe
