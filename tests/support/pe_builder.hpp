#pragma once

#include "engine/core/address.hpp"
#include "engine/core/byte_view.hpp"
#include "engine/core/machine.hpp"
#include "engine/pe/image.hpp"
#include "engine/pe/raw/directories.hpp"
#include "engine/pe/raw/headers.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace suture::test {

/// Appends a little-endian integer or a struct as it lies in memory.
template <class T>
void append(Bytes& bytes, const T& value) {
    const std::size_t at = bytes.size();
    bytes.resize(at + sizeof(T));
    std::memcpy(bytes.data() + at, &value, sizeof(T));
}

/// Writes over bytes that are there.
template <class T>
void put(Bytes& bytes, std::uint64_t at, const T& value) {
    std::memcpy(bytes.data() + at, &value, sizeof(T));
}

/// Appends a NUL-terminated string.
inline void append_text(Bytes& bytes, std::string_view text) {
    bytes.insert(bytes.end(), text.begin(), text.end());
    bytes.push_back(0);
}

inline void align(Bytes& bytes, std::size_t alignment) {
    bytes.resize((bytes.size() + alignment - 1) / alignment * alignment);
}

/// An entry for PeBuilder::exports().
struct BuiltExport {
    std::string name; ///< empty: by ordinal only
    Rva rva;
    std::string forwarder; ///< where not empty, `rva` is ignored
};

/// A DLL for PeBuilder::imports(); a name of the form "#12" is an ordinal.
struct BuiltImports {
    std::string dll;
    std::vector<std::string> names;
};

/// Makes a small, valid PE32+ image, byte for byte the same on every machine:
///
///     PeBuilder pe;
///     const Rva text = pe.section(".text", PeBuilder::kCode, {0x90, 0x90, 0xc3});
///     pe.relocations({text});
///     const Bytes file = pe.file();
///     const Bytes mapped = pe.mapped();
///
/// Sections get RVAs 0x1000, 0x2000, … in the order of the calls, and each call that makes a directory adds a section
/// of its own; rva_of_next() tells where the next one will lie. What is public may be changed before file() or
/// mapped().
class PeBuilder {
  public:
    static constexpr std::uint32_t kCode = 0x60000020;     ///< read, execute
    static constexpr std::uint32_t kReadOnly = 0x40000040; ///< read
    static constexpr std::uint32_t kData = 0xc0000040;     ///< read, write
    static constexpr std::uint32_t kPage = 0x1000;
    static constexpr std::uint32_t kSector = 0x200;
    static constexpr std::uint32_t kHeaders = 0x400;
    static constexpr std::uint64_t kLfanew = 0x80;
    /// File offset of the optional header, and of the section table.
    static constexpr std::uint64_t kOptionalAt = kLfanew + 4 + sizeof(pe::raw::FileHeader);
    static constexpr std::uint64_t kSectionsAt =
        kOptionalAt + sizeof(pe::raw::OptionalHeader64) + 16 * sizeof(pe::raw::DataDirectory);

    struct Part {
        std::string name; ///< up to 8 bytes
        std::uint32_t characteristics = 0;
        Bytes content;
        Rva rva;
        std::uint32_t virtual_size = 0;
    };

    Machine machine = Machine::x64;
    std::uint64_t image_base = 0x180000000;
    std::uint32_t time_date_stamp = 0x5eed5eed;
    std::uint32_t checksum = 0;
    std::uint16_t characteristics = 0x2022; ///< executable, large addresses, DLL
    std::uint16_t dll_characteristics = 0x160;
    Rva entry_point;
    std::vector<Part> parts;
    std::array<RvaRange, 16> directories{};

    /// Adds a section and returns its RVA. Content short of `virtual_size` leaves zero fill; 0 means no more than the
    /// content.
    Rva section(std::string name, std::uint32_t section_characteristics, Bytes content,
                std::uint32_t virtual_size = 0) {
        const Rva rva = rva_of_next();
        const auto size = std::max(static_cast<std::uint32_t>(content.size()), virtual_size);
        parts.push_back({std::move(name), section_characteristics, std::move(content), rva, size});
        return rva;
    }

    Rva rva_of_next() const { return parts.empty() ? Rva{kPage} : Rva{end_of_last()}; }

    void directory(pe::Directory which, RvaRange range) { directories[static_cast<std::size_t>(which)] = range; }

    /// Adds `.reloc` with a DIR64 entry per field. `fields` ascend.
    void relocations(const std::vector<Rva>& fields) {
        Bytes bytes;
        for (std::size_t i = 0; i < fields.size();) {
            const std::uint32_t page = fields[i].value & ~(kPage - 1);
            const std::size_t block = bytes.size();
            append(bytes, pe::raw::RelocationBlock{page, 0});
            for (; i < fields.size() && (fields[i].value & ~(kPage - 1)) == page; ++i)
                append(bytes, static_cast<std::uint16_t>(10u << 12 | (fields[i].value - page)));
            align(bytes, 4);
            put(bytes, block + 4, static_cast<std::uint32_t>(bytes.size() - block));
        }
        relocated_ = fields;
        add_directory(pe::Directory::relocations, ".reloc", std::move(bytes));
    }

    /// Adds `.edata`; entry n has ordinal `base` + n. Names of the table are sorted as linkers do.
    void exports(std::string_view dll, const std::vector<BuiltExport>& entries, std::uint32_t base = 1) {
        const Rva at = rva_of_next();
        std::vector<std::pair<std::string, std::uint16_t>> names;
        for (std::size_t i = 0; i < entries.size(); ++i) {
            if (!entries[i].name.empty())
                names.emplace_back(entries[i].name, static_cast<std::uint16_t>(i));
        }
        std::ranges::sort(names);
        const auto functions_at = static_cast<std::uint32_t>(sizeof(pe::raw::ExportDirectory));
        const auto names_at = functions_at + static_cast<std::uint32_t>(entries.size()) * 4;
        const auto ordinals_at = names_at + static_cast<std::uint32_t>(names.size()) * 4;
        Bytes bytes(ordinals_at + names.size() * 2);
        const auto text = [&](std::string_view t) {
            const Rva text_at = at + static_cast<std::uint32_t>(bytes.size());
            append_text(bytes, t);
            return text_at.value;
        };
        pe::raw::ExportDirectory table{};
        table.name = text(dll);
        table.base = base;
        table.number_of_functions = static_cast<std::uint32_t>(entries.size());
        table.number_of_names = static_cast<std::uint32_t>(names.size());
        table.address_of_functions = at.value + functions_at;
        table.address_of_names = at.value + names_at;
        table.address_of_name_ordinals = at.value + ordinals_at;
        put(bytes, 0, table);
        for (std::size_t i = 0; i < entries.size(); ++i) {
            const std::uint32_t rva = entries[i].forwarder.empty() ? entries[i].rva.value : text(entries[i].forwarder);
            put(bytes, functions_at + i * 4, rva);
        }
        for (std::size_t i = 0; i < names.size(); ++i) {
            put(bytes, names_at + i * 4, text(names[i].first));
            put(bytes, ordinals_at + i * 2, names[i].second);
        }
        add_directory(pe::Directory::exports, ".edata", std::move(bytes));
    }

    /// Adds a section with descriptors, names and the address table, and sets the import and IAT directories. Slots
    /// follow each other in the order given, with an empty one behind each DLL; slots() has them all.
    void imports(const std::vector<BuiltImports>& dlls, std::string name = ".idata",
                 std::uint32_t section_characteristics = kData) {
        const Rva at = rva_of_next();
        std::size_t thunks = 0;
        for (const BuiltImports& dll : dlls)
            thunks += dll.names.size() + 1;
        const std::size_t slots_at = (dlls.size() + 1) * sizeof(pe::raw::ImportDescriptor) / 8 * 8 + 8;
        const std::size_t lookup_at = slots_at + thunks * 8;
        Bytes bytes(lookup_at + thunks * 8);
        std::size_t thunk = 0;
        const auto here = [&](std::size_t offset) { return at.value + static_cast<std::uint32_t>(offset); };
        for (std::size_t i = 0; i < dlls.size(); ++i) {
            pe::raw::ImportDescriptor descriptor{};
            descriptor.original_first_thunk = here(lookup_at + thunk * 8);
            descriptor.first_thunk = here(slots_at + thunk * 8);
            for (const std::string& symbol : dlls[i].names) {
                std::uint64_t value = 0;
                if (symbol.front() == '#') {
                    value = pe::raw::kImportByOrdinal | std::stoul(symbol.substr(1));
                } else {
                    align(bytes, 2);
                    value = here(bytes.size());
                    append(bytes, std::uint16_t{0}); // hint
                    append_text(bytes, symbol);
                }
                put(bytes, lookup_at + thunk * 8, value);
                put(bytes, slots_at + thunk * 8, value);
                slots_.push_back({here(slots_at + thunk * 8)});
                ++thunk;
            }
            ++thunk;
            descriptor.name = here(bytes.size());
            append_text(bytes, dlls[i].dll);
            put(bytes, i * sizeof(descriptor), descriptor);
        }
        section(std::move(name), section_characteristics, std::move(bytes));
        const auto descriptors = static_cast<std::uint32_t>((dlls.size() + 1) * sizeof(pe::raw::ImportDescriptor));
        directory(pe::Directory::imports, {at, descriptors});
        directory(pe::Directory::iat, {{here(slots_at)}, static_cast<std::uint32_t>(thunks * 8)});
    }

    /// The import slots made so far.
    const std::vector<Rva>& slots() const { return slots_; }

    /// Adds `.pdata`. `functions` ascend.
    void runtime_functions(const std::vector<pe::raw::RuntimeFunctionX64>& functions) {
        Bytes bytes;
        for (const auto& function : functions)
            append(bytes, function);
        add_directory(pe::Directory::exceptions, ".pdata", std::move(bytes));
    }

    /// Adds a debug directory with a CodeView record, and one with extended DLL characteristics where they are given.
    void debug(const std::array<std::uint8_t, 16>& guid, std::uint32_t age, std::string_view path,
               std::optional<std::uint32_t> ex_dll_characteristics = std::nullopt) {
        const Rva at = rva_of_next();
        const std::uint32_t count = ex_dll_characteristics ? 2 : 1;
        const auto entries = count * static_cast<std::uint32_t>(sizeof(pe::raw::DebugDirectory));
        const auto record = static_cast<std::uint32_t>(sizeof(pe::raw::CodeViewRsds) + path.size() + 1);
        Bytes bytes;
        append(bytes, pe::raw::DebugDirectory{0, 0, 0, 0, pe::raw::kDebugCodeView, record, at.value + entries, 0});
        if (ex_dll_characteristics)
            append(bytes, pe::raw::DebugDirectory{0, 0, 0, 0, pe::raw::kDebugExDllCharacteristics, 4,
                                                  at.value + entries + record, 0});
        append(bytes, pe::raw::CodeViewRsds{pe::raw::kRsdsSignature, guid, age});
        append_text(bytes, path);
        if (ex_dll_characteristics)
            append(bytes, *ex_dll_characteristics);
        section(".rdata", kReadOnly, std::move(bytes));
        directory(pe::Directory::debug, {at, entries});
    }

    /// As the linker writes it.
    Bytes file() const {
        Bytes bytes = headers(image_base);
        for (const Part& part : parts) {
            bytes.insert(bytes.end(), part.content.begin(), part.content.end());
            align(bytes, kSector);
        }
        return bytes;
    }

    /// As the loader maps it at `base`: relocated, and with addresses (0x7ffd00000000 + 0x10 n) in the import slots.
    Bytes mapped(std::uint64_t base) const {
        Bytes bytes = headers(base);
        bytes.resize(rva_of_next().value);
        for (const Part& part : parts)
            std::ranges::copy(part.content, bytes.begin() + part.rva.value);
        for (const Rva field : relocated_) {
            std::uint64_t value = 0;
            std::memcpy(&value, bytes.data() + field.value, sizeof(value));
            put(bytes, field.value, value + (base - image_base));
        }
        for (std::size_t i = 0; i < slots_.size(); ++i)
            put(bytes, slots_[i].value, 0x7ffd00000000 + 0x10 * std::uint64_t{i});
        return bytes;
    }
    Bytes mapped() const { return mapped(image_base); }

  private:
    std::uint32_t end_of_last() const {
        const Part& last = parts.back();
        return (last.rva.value + std::max(last.virtual_size, 1u) + kPage - 1) / kPage * kPage;
    }

    void add_directory(pe::Directory which, std::string name, Bytes bytes) {
        const auto size = static_cast<std::uint32_t>(bytes.size());
        const Rva at = section(std::move(name), kReadOnly, std::move(bytes));
        directory(which, {at, size});
    }

    Bytes headers(std::uint64_t base) const {
        Bytes bytes;
        pe::raw::DosHeader dos{};
        dos.magic = pe::raw::kDosSignature;
        dos.lfanew = kLfanew;
        append(bytes, dos);
        align(bytes, kLfanew);
        append(bytes, pe::raw::kPeSignature);
        pe::raw::FileHeader header{};
        header.machine = static_cast<std::uint16_t>(machine);
        header.number_of_sections = static_cast<std::uint16_t>(parts.size());
        header.time_date_stamp = time_date_stamp;
        header.size_of_optional_header = static_cast<std::uint16_t>(kSectionsAt - kOptionalAt);
        header.characteristics = characteristics;
        append(bytes, header);
        pe::raw::OptionalHeader64 optional{};
        optional.magic = pe::raw::kPe32PlusMagic;
        optional.address_of_entry_point = entry_point.value;
        optional.image_base = base;
        optional.section_alignment = kPage;
        optional.file_alignment = kSector;
        optional.major_operating_system_version = 6;
        optional.major_subsystem_version = 6;
        optional.size_of_image = rva_of_next().value;
        optional.size_of_headers = kHeaders;
        optional.checksum = checksum;
        optional.subsystem = 3; // console
        optional.dll_characteristics = dll_characteristics;
        optional.number_of_rva_and_sizes = static_cast<std::uint32_t>(directories.size());
        append(bytes, optional);
        for (const RvaRange& range : directories)
            append(bytes, pe::raw::DataDirectory{range.begin.value, range.size});
        std::uint32_t raw = kHeaders;
        for (const Part& part : parts) {
            pe::raw::SectionHeader entry{};
            std::copy_n(part.name.begin(), std::min<std::size_t>(part.name.size(), 8), entry.name.begin());
            entry.virtual_size = part.virtual_size;
            entry.virtual_address = part.rva.value;
            entry.size_of_raw_data =
                static_cast<std::uint32_t>((part.content.size() + kSector - 1) / kSector * kSector);
            entry.pointer_to_raw_data = entry.size_of_raw_data != 0 ? raw : 0;
            entry.characteristics = part.characteristics;
            raw += entry.size_of_raw_data;
            append(bytes, entry);
        }
        bytes.resize(kHeaders);
        return bytes;
    }

    std::vector<Rva> relocated_;
    std::vector<Rva> slots_;
};

} // namespace suture::test
