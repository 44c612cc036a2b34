#include "engine/pe/exports.hpp"

#include "engine/pe/limits.hpp"
#include "engine/pe/raw/directories.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace suture::pe {

namespace {

std::unexpected<Error> bad(Rva at, std::string detail) {
    return fail(Error(Code::pe_bad_directory, "exports: " + std::move(detail)).at(at));
}

} // namespace

Result<std::vector<Export>> exports_of(const Image& image) {
    std::vector<Export> exports;
    const RvaRange directory = image.directory(Directory::exports);
    if (directory.size == 0)
        return exports;
    const auto table = image.read<raw::ExportDirectory>(directory.begin);
    if (!table)
        return bad(directory.begin, "the table is not inside one section");
    if (table->number_of_functions > kMaxExports || table->number_of_names > kMaxExports)
        return bad(directory.begin, fmt::format("{} addresses and {} names, at most {} are taken",
                                                table->number_of_functions, table->number_of_names, kMaxExports));
    const std::uint32_t count = table->number_of_functions;
    const auto addresses = image.bytes_at({table->address_of_functions}, std::uint64_t{count} * 4);
    const auto names = image.bytes_at({table->address_of_names}, std::uint64_t{table->number_of_names} * 4);
    const auto indices = image.bytes_at({table->address_of_name_ordinals}, std::uint64_t{table->number_of_names} * 2);
    if ((count != 0 && !addresses) || (table->number_of_names != 0 && (!names || !indices)))
        return bad(directory.begin, "an array is not inside one section");

    std::size_t text = 0;
    // The entry of an address: nothing for a gap in the ordinals.
    const auto entry_at = [&](std::uint32_t index) -> Result<std::optional<Export>> {
        Export entry;
        entry.rva = {addresses->read<std::uint32_t>(std::uint64_t{index} * 4).value_or(0)};
        entry.ordinal = table->base + index;
        if (entry.rva.value == 0)
            return std::nullopt;
        if (directory.contains(entry.rva)) {
            const auto forwarder = image.string_at(entry.rva, kMaxName);
            if (!forwarder)
                return bad(entry.rva, fmt::format("the forwarder of ordinal {} has no end", entry.ordinal));
            entry.forwarder = *forwarder;
            text += forwarder->size();
        } else if (entry.rva.value >= image.size_of_image()) {
            return bad(entry.rva, fmt::format("ordinal {} lies outside the image", entry.ordinal));
        }
        return entry;
    };

    std::vector<bool> named(count);
    for (std::uint32_t i = 0; i < table->number_of_names; ++i) {
        const Rva name_at{names->read<std::uint32_t>(std::uint64_t{i} * 4).value_or(0)};
        const std::uint16_t index = indices->read<std::uint16_t>(std::uint64_t{i} * 2).value_or(0);
        const auto name = image.string_at(name_at, kMaxName);
        if (!name || name->empty())
            return bad(name_at, fmt::format("name {} is missing or has no end", i));
        if (index >= count)
            return bad(name_at, fmt::format("name {} is for entry {} of {}", i, index, count));
        SUTURE_TRY(auto entry, entry_at(index));
        text += name->size();
        if (text > kMaxNameBytes)
            return bad(name_at, fmt::format("names of more than {} bytes", kMaxNameBytes));
        named[index] = true;
        if (!entry)
            continue;
        entry->name = *name;
        exports.push_back(std::move(*entry));
    }
    for (std::uint32_t i = 0; i < count; ++i) {
        if (named[i])
            continue;
        SUTURE_TRY(auto entry, entry_at(i));
        if (text > kMaxNameBytes)
            return bad(directory.begin, fmt::format("names of more than {} bytes", kMaxNameBytes));
        if (entry)
            exports.push_back(std::move(*entry));
    }
    std::ranges::sort(exports, [](const Export& a, const Export& b) {
        return std::tie(a.ordinal, a.name) < std::tie(b.ordinal, b.name);
    });
    return exports;
}

} // namespace suture::pe
