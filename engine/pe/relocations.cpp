#include "engine/pe/relocations.hpp"

#include "engine/pe/limits.hpp"
#include "engine/pe/raw/directories.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::pe {

namespace {

constexpr std::uint16_t kAbsolute = 0; // padding of a block
constexpr std::uint16_t kHighLow = 3;
constexpr std::uint16_t kDir64 = 10;

std::unexpected<Error> bad(Rva at, std::string detail) {
    return fail(Error(Code::pe_bad_directory, "base relocations: " + std::move(detail)).at(at));
}

} // namespace

Result<std::vector<Relocation>> relocations_of(const Image& image) {
    std::vector<Relocation> relocations;
    const RvaRange directory = image.directory(Directory::relocations);
    if (directory.size == 0)
        return relocations;
    const auto bytes = image.bytes_at(directory.begin, directory.size);
    if (!bytes)
        return bad(directory.begin, "the directory is not inside one section");

    std::uint64_t at = 0;
    while (at < bytes->size()) {
        const Rva here = directory.begin + static_cast<std::uint32_t>(at);
        const auto block = bytes->read<raw::RelocationBlock>(at);
        // Some linkers count the alignment behind the last block as part of the directory; loaders stop there too.
        if (!block || block->size_of_block == 0) {
            const auto rest = bytes->from(at);
            if (rest && std::ranges::all_of(*rest, [](std::uint8_t byte) { return byte == 0; }))
                break;
            return bad(here, "a block is cut off");
        }
        if (block->size_of_block < sizeof(raw::RelocationBlock) || block->size_of_block % 2 != 0 ||
            !bytes->contains(at, block->size_of_block))
            return bad(here, fmt::format("a block of {} bytes does not fit", block->size_of_block));
        const std::uint64_t end = at + block->size_of_block;
        for (at += sizeof(raw::RelocationBlock); at < end; at += sizeof(std::uint16_t)) {
            const std::uint16_t entry = bytes->read<std::uint16_t>(at).value_or(0);
            const std::uint16_t type = entry >> 12;
            if (type == kAbsolute)
                continue;
            if (type != kDir64 && type != kHighLow)
                return bad(here, fmt::format("type {}", type));
            const Relocation relocation{{block->virtual_address + (entry & 0xfffu)},
                                        static_cast<std::uint8_t>(type == kDir64 ? 8 : 4)};
            if (relocation.at.value < block->virtual_address || !image.in_one_section({relocation.at, relocation.size}))
                return bad(relocation.at, "a field lies outside the image");
            if (relocations.size() == kMaxRelocations)
                return bad(here, fmt::format("more than {} fields", kMaxRelocations));
            relocations.push_back(relocation);
        }
    }

    std::ranges::sort(relocations);
    const auto overlap = std::ranges::adjacent_find(
        relocations, [](const Relocation& a, const Relocation& b) { return b.at - a.at < a.size; });
    if (overlap != relocations.end())
        return bad(overlap->at, "two fields overlap");
    return relocations;
}

} // namespace suture::pe
