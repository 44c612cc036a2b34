#include "engine/package/byte_writer.hpp"
#include "engine/package/writer.hpp"
#include "engine/pe/raw/directories.hpp"

#include <algorithm>
#include <map>

namespace suture::package {

namespace {

constexpr std::uint32_t kThunkSize = 8;

ImportRequest normal(ImportRequest request) {
    if (!request.name.empty())
        request.ordinal = 0;
    return request;
}

std::uint32_t align(std::uint32_t value, std::uint32_t alignment) {
    return (value + alignment - 1) / alignment * alignment;
}

} // namespace

ImportTable build_import_table(std::vector<ImportRequest> requests, Rva at) {
    // By DLL, then by ordinal (their name is empty) or name, each once.
    std::map<std::string, std::map<ImportRequest, Rva>> dlls;
    for (ImportRequest& request : requests) {
        request = normal(std::move(request));
        dlls[request.dll].emplace(request, Rva{});
    }

    std::uint32_t thunks = 0;
    for (const auto& [dll, imports] : dlls)
        thunks += static_cast<std::uint32_t>(imports.size() + 1) * kThunkSize;
    const auto descriptors = static_cast<std::uint32_t>((dlls.size() + 1) * sizeof(pe::raw::ImportDescriptor));
    const std::uint32_t lookup_at = align(descriptors, kThunkSize);
    const std::uint32_t address_at = lookup_at + thunks;
    const std::uint32_t names_at = address_at + thunks;

    ByteWriter directory, lookup, names;
    const auto put_name = [&](const std::string& name) {
        names.put_bytes({reinterpret_cast<const std::uint8_t*>(name.c_str()), name.size() + 1});
        names.align(2);
    };
    for (auto& [dll, imports] : dlls) {
        pe::raw::ImportDescriptor descriptor{};
        const auto first = static_cast<std::uint32_t>(lookup.size());
        descriptor.original_first_thunk = at.value + lookup_at + first;
        descriptor.first_thunk = at.value + address_at + first;
        for (auto& [request, slot] : imports) {
            slot = at + (address_at + static_cast<std::uint32_t>(lookup.size()));
            if (request.name.empty()) {
                lookup.put(pe::raw::kImportByOrdinal | request.ordinal);
                continue;
            }
            lookup.put(std::uint64_t{at.value + names_at + static_cast<std::uint32_t>(names.size())});
            names.put(std::uint16_t{0}); // no hint
            put_name(request.name);
        }
        lookup.put(std::uint64_t{0});
        descriptor.name = at.value + names_at + static_cast<std::uint32_t>(names.size());
        put_name(dll);
        directory.put(descriptor);
    }
    directory.pad_to(lookup_at);

    ImportTable table;
    const Bytes lookup_bytes = lookup.take();
    directory.put_bytes(lookup_bytes);
    directory.put_bytes(lookup_bytes); // the address table starts out as the lookup table
    directory.put_bytes(names.take());
    table.bytes = directory.take();
    table.directory = {at, descriptors};
    table.address_table = {at + address_at, thunks};
    for (const ImportRequest& request : requests)
        table.slots.push_back(dlls[request.dll][request]);
    return table;
}

} // namespace suture::package
