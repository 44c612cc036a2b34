#include "engine/pe/unwind_x64.hpp"
#include "tests/patchgen/mutation/generate.hpp"

#include <algorithm>

namespace suture::test {

namespace {

using pe::Directory;

std::optional<Mutant> flipped_bit(const RawImage& image, Kind kind, Rva at, std::vector<Rva> users, Random& random,
                                  bool of_code = false) {
    const auto byte = image.image().read<std::uint8_t>(at);
    if (!byte || image.relocated(at))
        return std::nullopt;
    return changed(image, kind, at, {static_cast<std::uint8_t>(*byte ^ 1u << random.below(8))}, std::move(users),
                   of_code);
}

Bytes little_endian(std::uint64_t value, unsigned size) {
    Bytes bytes;
    for (unsigned i = 0; i < size; ++i)
        bytes.push_back(static_cast<std::uint8_t>(value >> 8 * i));
    return bytes;
}

/// A random initialised byte of a random section.
std::optional<Rva> any_byte(const RawImage& image, bool executable, Random& random) {
    const auto sections = image.image().sections();
    const pe::Section& section = sections[random.below(sections.size())];
    if (section.executable() != executable || section.discardable() || section.initialised_size() == 0)
        return std::nullopt;
    return section.range.begin + static_cast<std::uint32_t>(random.below(section.initialised_size()));
}

std::optional<Mutant> jump_table_entry(const RawImage& image, Random& random) {
    if (image.data_references().empty())
        return std::nullopt;
    const Instruction& one = *random.one_of(image.data_references());
    const std::uint32_t entries = image.jump_table_of(one);
    if (entries == 0)
        return std::nullopt;
    const auto entry = [&](std::size_t i) { return *one.target + 4 * static_cast<std::uint32_t>(i); };
    const Rva at = entry(random.below(entries));
    const Rva other = entry(random.below(entries));
    return changed(image, Kind::jump_table_entry, at, image.image().bytes_at(other, 4)->copy(), {one.at}, true);
}

std::optional<Mutant> data_pointer(const RawImage& image, Random& random) {
    if (image.pointer_fields().empty())
        return std::nullopt;
    const Rva at = random.one_of(image.pointer_fields());
    const Rva other = random.one_of(image.pointer_fields());
    if (image.of_linker(at))
        return std::nullopt;
    const Rva from = *image.pointer_at(at);
    const Rva to = *image.pointer_at(other);
    if (from == to ||
        (image.string_at(from) != 0 && image.image().string_at(from, 4096) == image.image().string_at(to, 4096)))
        return std::nullopt;
    // A variable that nothing else leads to has merely moved.
    const pe::Section* section = image.image().section_at(to);
    if (section && section->writable() && image.reference_to(to) == nullptr)
        return std::nullopt;
    return changed(image, Kind::data_pointer, at, image.image().bytes_at(other, 8)->copy(), image.users_of(at), false);
}

std::optional<Mutant> import_name(const RawImage& image, Random& random) {
    const RvaRange directory = image.image().directory(Directory::imports);
    std::uint32_t count = 0;
    while (20 * (count + 1) <= directory.size &&
           image.image().read<std::uint32_t>(directory.begin + 20 * count + 12).value_or(0) != 0)
        ++count;
    if (count == 0)
        return std::nullopt;
    const Rva descriptor = directory.begin + 20 * static_cast<std::uint32_t>(random.below(count));
    const auto lookup = image.image().read<std::uint32_t>(descriptor);
    const auto slots = image.image().read<std::uint32_t>(descriptor + 16);
    if (!lookup || *lookup == 0 || !slots)
        return std::nullopt;
    std::uint32_t names = 0;
    while (image.image().read<std::uint64_t>(Rva{*lookup} + 8 * names).value_or(0) != 0)
        ++names;
    if (names == 0)
        return std::nullopt;
    const auto which = 8 * static_cast<std::uint32_t>(random.below(names));
    const auto entry = *image.image().read<std::uint64_t>(Rva{*lookup} + which);
    if (entry >> 63 != 0)
        return std::nullopt;
    const Rva text = Rva{static_cast<std::uint32_t>(entry)} + 2;
    const auto name = image.image().string_at(text, 4096);
    if (!name || name->empty())
        return std::nullopt;
    const auto i = static_cast<std::uint32_t>(random.below(name->size()));
    const char letter = (*name)[i] == 'q' ? 'z' : 'q';
    // What the linker imports and nothing calls is only for the loader.
    if (!image.leads_into(Rva{*slots} + which, Rva{*slots} + which + 8))
        return std::nullopt;
    std::vector<Rva> users;
    for (const Instruction* one : image.data_references())
        if (*one->target == Rva{*slots} + which)
            users.push_back(one->at);
    auto mutant =
        changed(image, Kind::import_name, text + i, {static_cast<std::uint8_t>(letter)}, std::move(users), false);
    if (mutant)
        mutant->slot = Rva{*slots} + which;
    return mutant;
}

/// Every function that has this unwind data.
std::vector<Rva> with_unwind_info(const RawImage& image, Rva unwind_info) {
    std::vector<Rva> users;
    for (const pe::RuntimeFunction& one : image.runtime_functions())
        if (one.unwind_info == unwind_info)
            users.push_back(one.range.begin);
    return users;
}

/// x64: an operation of UNWIND_INFO. Left out: the flags, which decide where other bytes lie, and the slot that fills
/// an odd number of operations up, which nobody reads.
/// Arm64: a byte of the operations of an .xdata record, up to the first end code.
std::optional<Mutant> unwind_code(const RawImage& image, Random& random) {
    if (image.runtime_functions().empty())
        return std::nullopt;
    const auto& one = image.runtime_functions()[random.below(image.runtime_functions().size())];
    if (one.unwind_info.value == 0)
        return std::nullopt;
    if (!image.is_arm64()) {
        const auto count = image.image().read<std::uint8_t>(one.unwind_info + 2);
        if (!count || *count == 0)
            return std::nullopt;
        const Rva at = one.unwind_info + 4 + static_cast<std::uint32_t>(random.below(2 * std::size_t{*count}));
        return flipped_bit(image, Kind::unwind_code, at, with_unwind_info(image, one.unwind_info), random, true);
    }
    const auto header = image.image().read<std::uint32_t>(one.unwind_info);
    if (!header || *header >> 22 == 0) // the extended form is rare
        return std::nullopt;
    const bool single_epilog = (*header >> 21 & 1) != 0;
    const std::uint32_t scopes = single_epilog ? 0 : *header >> 22 & 31;
    const Rva codes = one.unwind_info + 4 + 4 * scopes;
    std::uint32_t size = 0;
    while (size < 4 * (*header >> 27) && image.image().read<std::uint8_t>(codes + size).value_or(0xe4) != 0xe4)
        ++size;
    if (size == 0)
        return std::nullopt;
    const Rva at = codes + static_cast<std::uint32_t>(random.below(size));
    return flipped_bit(image, Kind::unwind_code, at, with_unwind_info(image, one.unwind_info), random, true);
}

std::optional<Mutant> unwind_reference(const RawImage& image, Random& random) {
    const auto list = image.runtime_functions();
    const RvaRange directory = image.image().directory(Directory::exceptions);
    if (list.empty())
        return std::nullopt;
    const auto& one = list[random.below(list.size())];
    const auto& other = list[random.below(list.size())];
    const std::uint32_t entry_size = image.is_arm64() ? 8 : 12;
    for (Rva entry = directory.begin; entry.value + entry_size <= directory.end(); entry = entry + entry_size)
        if (image.image().read<std::uint32_t>(entry) == one.range.begin.value) {
            if (one.unwind_info.value == 0 || other.unwind_info.value == 0)
                return std::nullopt;
            // The flags, the size of the prologue and the number of operations, or what an .xdata header says.
            const auto a = image.image().bytes_at(one.unwind_info, 4);
            const auto b = image.image().bytes_at(other.unwind_info, 4);
            if (!a || !b || *a == *b)
                return std::nullopt;
            return changed(image, Kind::unwind_reference, entry + (entry_size - 4),
                           little_endian(other.unwind_info.value, 4), {one.range.begin}, true);
        }
    return std::nullopt;
}

/// x64: of data that begins with a count of up to 8 scopes, as __C_specific_handler's does, a byte of a scope; of
/// GCC's, which begins with the encoding of its base, of its type table and, behind that table's size, of its calls, a
/// byte of the first call. Of anything else, the RVA that other handlers keep there.
std::optional<Mutant> handler_data(const RawImage& image, Random& random) {
    if (image.is_arm64() || image.runtime_functions().empty())
        return std::nullopt;
    const auto& one = image.runtime_functions()[random.below(image.runtime_functions().size())];
    const auto info = pe::unwind_info_at(image.image(), one.unwind_info);
    if (!info || !info->handler)
        return std::nullopt;
    const Rva data = info->handler_data;
    const auto first = image.image().read<std::uint32_t>(data);
    if (!first)
        return std::nullopt;
    std::uint32_t offset = static_cast<std::uint32_t>(random.below(4));
    if (*first != 0 && *first <= 8)
        offset = static_cast<std::uint32_t>(random.below(4 + 16 * std::size_t{*first}));
    else if ((*first & 0xff) == 0xff)
        offset = 0;
    return flipped_bit(image, Kind::handler_data, data + offset, with_unwind_info(image, one.unwind_info), random,
                       true);
}

std::optional<Mutant> export_target(const RawImage& image, Random& random) {
    const RvaRange directory = image.image().directory(Directory::exports);
    const auto count = image.image().read<std::uint32_t>(directory.begin + 20);
    const auto addresses = image.image().read<std::uint32_t>(directory.begin + 28);
    if (directory.size == 0 || !count || *count == 0 || !addresses)
        return std::nullopt;
    const auto at = [&](std::size_t i) { return Rva{*addresses} + 4 * static_cast<std::uint32_t>(i); };
    const Rva one = at(random.below(*count));
    const Rva other = at(random.below(*count));
    const auto from = image.image().read<std::uint32_t>(one);
    const auto to = image.image().read<std::uint32_t>(other);
    if (!from || !to || *from == 0 || *to == 0 || directory.contains(Rva{*from}) || directory.contains(Rva{*to}))
        return std::nullopt;
    // Functions that are the same to the byte are as good as one another.
    const auto* a = image.stretch_at(Rva{*from});
    const auto* b = image.stretch_at(Rva{*to});
    if (a && b && a->size == b->size && image.image().content(*a) == image.image().content(*b))
        return std::nullopt;
    auto mutant = changed(image, Kind::export_target, one, little_endian(*to, 4), {Rva{*from}, Rva{*to}}, false);
    if (mutant)
        mutant->any_user = true;
    return mutant;
}

std::optional<Mutant> thread_local_value(const RawImage& image, Random& random) {
    const RvaRange directory = image.image().directory(Directory::tls);
    const auto first = image.pointer_at(directory.begin);
    const auto last = image.pointer_at(directory.begin + 8);
    if (directory.size == 0 || !first || !last || *last <= *first)
        return std::nullopt;
    return flipped_bit(image, Kind::thread_local_value,
                       *first + static_cast<std::uint32_t>(random.below(*last - *first)), {}, random);
}

/// Of a leaf of the tree of resources, but not of the version or the manifest, which every build has its own of.
std::optional<Mutant> resource_byte(const RawImage& image, Random& random) {
    const RvaRange directory = image.image().directory(Directory::resources);
    if (directory.size == 0)
        return std::nullopt;
    const auto entry_of = [&](std::uint32_t node) -> std::optional<std::pair<std::uint32_t, std::uint32_t>> {
        const auto named = image.image().read<std::uint16_t>(directory.begin + node + 12);
        const auto numbered = image.image().read<std::uint16_t>(directory.begin + node + 14);
        if (!named || !numbered || *named + *numbered == 0)
            return std::nullopt;
        const Rva entry =
            directory.begin + node + 16 + 8 * static_cast<std::uint32_t>(random.below(std::size_t{*named} + *numbered));
        const auto id = image.image().read<std::uint32_t>(entry);
        const auto to = image.image().read<std::uint32_t>(entry + 4);
        return id && to ? std::optional(std::pair(*id, *to)) : std::nullopt;
    };
    std::uint32_t node = 0;
    for (int level = 0; level < 3; ++level) {
        const auto entry = entry_of(node);
        if (!entry || (level == 0 && (entry->first == 16 || entry->first == 24)))
            return std::nullopt;
        node = entry->second & 0x7fffffff;
    }
    const auto at = image.image().read<std::uint32_t>(directory.begin + node);
    const auto size = image.image().read<std::uint32_t>(directory.begin + node + 4);
    if (!at || !size || *size == 0)
        return std::nullopt;
    return flipped_bit(image, Kind::resource_byte, Rva{*at} + static_cast<std::uint32_t>(random.below(*size)), {},
                       random);
}

} // namespace

std::optional<Mutant> generate_data(const RawImage& image, Kind kind, Random& random) {
    switch (kind) {
    case Kind::constant_byte: {
        if (image.data_references().empty())
            return std::nullopt;
        const Instruction& one = *random.one_of(image.data_references());
        const pe::Section* section = image.image().section_at(*one.target);
        if (one.access == 0 || one.writes || !section || section->writable() || section->executable() ||
            image.of_linker(*one.target))
            return std::nullopt;
        const Rva at = *one.target + static_cast<std::uint32_t>(random.below(one.access));
        return flipped_bit(image, kind, at, image.users_of(at), random);
    }
    case Kind::string_byte: {
        if (image.data_references().empty())
            return std::nullopt;
        const Instruction& one = *random.one_of(image.data_references());
        const std::uint32_t size = one.access == 0 ? image.string_at(*one.target) : 0;
        if (size == 0)
            return std::nullopt;
        const Rva at = *one.target + static_cast<std::uint32_t>(random.below(size - 1));
        const auto letter = *image.image().read<std::uint8_t>(at) == '#' ? '$' : '#';
        return changed(image, kind, at, {static_cast<std::uint8_t>(letter)}, image.users_of(at), false);
    }
    case Kind::jump_table_entry:
        return jump_table_entry(image, random);
    case Kind::data_pointer:
        return data_pointer(image, random);
    case Kind::import_name:
        return import_name(image, random);
    case Kind::initial_value: {
        const auto at = any_byte(image, false, random);
        if (!at || !image.image().section_at(*at)->writable() || image.of_linker(*at))
            return std::nullopt;
        return flipped_bit(image, kind, *at, {}, random);
    }
    case Kind::unwind_code:
        return unwind_code(image, random);
    case Kind::unwind_reference:
        return unwind_reference(image, random);
    case Kind::handler_data:
        return handler_data(image, random);
    case Kind::export_target:
        return export_target(image, random);
    case Kind::thread_local_value:
        return thread_local_value(image, random);
    case Kind::resource_byte:
        return resource_byte(image, random);
    case Kind::code_byte: {
        const auto at = any_byte(image, true, random);
        if (!at || !image.stretch_at(*at))
            return std::nullopt;
        return flipped_bit(image, kind, *at, {*at}, random, true);
    }
    case Kind::data_byte: {
        const auto at = any_byte(image, false, random);
        if (!at || image.of_linker(*at) || image.of_unwinding(*at))
            return std::nullopt;
        return flipped_bit(image, kind, *at, image.users_of(*at), random);
    }
    case Kind::unreached_code: {
        const auto at = any_byte(image, true, random);
        if (!at || image.stretch_at(*at) || image.is_fill_at(*at))
            return std::nullopt;
        return flipped_bit(image, kind, *at, {}, random);
    }
    default:
        return std::nullopt;
    }
}

} // namespace suture::test
