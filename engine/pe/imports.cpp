#include "engine/pe/imports.hpp"

#include "engine/pe/limits.hpp"
#include "engine/pe/raw/directories.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::pe {

namespace {

constexpr std::uint32_t kSlotSize = 8;

std::unexpected<Error> bad(Rva at, std::string detail) {
    return fail(Error(Code::pe_bad_directory, "imports: " + std::move(detail)).at(at));
}

/// A DLL's table of names and the table of addresses beside it.
struct Thunks {
    Rva dll_name;
    Rva names;
    Rva slots;
    bool delayed;
};

class Reader {
  public:
    explicit Reader(const Image& image) : image_(image) {}

    Result<void> add(const Thunks& thunks) {
        const auto dll = image_.string_at(thunks.dll_name, kMaxName);
        if (!dll || dll->empty())
            return bad(thunks.dll_name, "the name of a DLL is missing or has no end");
        for (std::uint32_t i = 0;; ++i) {
            const Rva name_at = thunks.names + i * kSlotSize;
            const auto thunk = image_.read<std::uint64_t>(name_at);
            if (!thunk)
                return bad(name_at, fmt::format("the names of {} have no end", *dll));
            if (*thunk == 0)
                return {};
            if (slots_.size() == kMaxImportSlots)
                return bad(name_at, fmt::format("more than {} slots", kMaxImportSlots));
            ImportSlot slot{std::string(*dll), {}, 0, thunks.slots + i * kSlotSize, thunks.delayed};
            if (!image_.in_one_section({slot.slot, kSlotSize}))
                return bad(slot.slot, fmt::format("a slot of {} lies outside the image", *dll));
            if ((*thunk & raw::kImportByOrdinal) != 0) {
                slot.ordinal = static_cast<std::uint16_t>(*thunk);
            } else {
                // A hint of two bytes stands before the name.
                const Rva hint{static_cast<std::uint32_t>(*thunk)};
                const auto name = image_.string_at(hint + 2u, kMaxName);
                if (*thunk >= image_.size_of_image() || !name || name->empty())
                    return bad(name_at, fmt::format("a name from {} is missing or has no end", *dll));
                slot.name = *name;
            }
            text_ += slot.dll.size() + slot.name.size();
            if (text_ > kMaxNameBytes)
                return bad(name_at, fmt::format("names of more than {} bytes", kMaxNameBytes));
            slots_.push_back(std::move(slot));
        }
    }

    Result<std::vector<ImportSlot>> finish() {
        std::ranges::sort(slots_, {}, &ImportSlot::slot);
        const auto overlap = std::ranges::adjacent_find(
            slots_, [](const ImportSlot& a, const ImportSlot& b) { return b.slot - a.slot < kSlotSize; });
        if (overlap != slots_.end())
            return bad(overlap->slot, "two slots overlap");
        return std::move(slots_);
    }

  private:
    const Image& image_;
    std::vector<ImportSlot> slots_;
    std::size_t text_ = 0;
};

/// Loaders go by the empty descriptor at the end and not by the directory's size, which linkers set differently.
Result<void> read_imports(const Image& image, Reader& reader) {
    const RvaRange directory = image.directory(Directory::imports);
    if (directory.size == 0)
        return {};
    for (std::uint32_t i = 0; i <= kMaxImportedDlls; ++i) {
        const Rva at = directory.begin + i * static_cast<std::uint32_t>(sizeof(raw::ImportDescriptor));
        const auto descriptor = image.read<raw::ImportDescriptor>(at);
        if (!descriptor)
            return bad(at, "the descriptors have no end");
        if (descriptor->name == 0 || descriptor->first_thunk == 0)
            return {};
        Rva names{descriptor->original_first_thunk};
        if (names.value == 0) {
            // Without a table of its own the names stand in the slots until the loader puts addresses there.
            if (image.layout() == Layout::mapped)
                return bad(at, "names were overwritten by the loader");
            names = {descriptor->first_thunk};
        }
        SUTURE_CHECK(reader.add({{descriptor->name}, names, {descriptor->first_thunk}, false}));
    }
    return bad(directory.begin, fmt::format("more than {} DLLs", kMaxImportedDlls));
}

Result<void> read_delayed_imports(const Image& image, Reader& reader) {
    const RvaRange directory = image.directory(Directory::delay_imports);
    if (directory.size == 0)
        return {};
    for (std::uint32_t i = 0; i <= kMaxImportedDlls; ++i) {
        const Rva at = directory.begin + i * static_cast<std::uint32_t>(sizeof(raw::DelayLoadDescriptor));
        const auto descriptor = image.read<raw::DelayLoadDescriptor>(at);
        if (!descriptor)
            return bad(at, "the delay-load descriptors have no end");
        if (descriptor->dll_name == 0)
            return {};
        if ((descriptor->attributes & 1) == 0)
            return bad(at, "delay-load descriptors with pointers are of 32-bit compilers");
        SUTURE_CHECK(reader.add(
            {{descriptor->dll_name}, {descriptor->import_name_table}, {descriptor->import_address_table}, true}));
    }
    return bad(directory.begin, fmt::format("more than {} delay-loaded DLLs", kMaxImportedDlls));
}

} // namespace

Result<std::vector<ImportSlot>> imports_of(const Image& image) {
    Reader reader(image);
    SUTURE_CHECK(read_imports(image, reader));
    SUTURE_CHECK(read_delayed_imports(image, reader));
    return reader.finish();
}

} // namespace suture::pe
