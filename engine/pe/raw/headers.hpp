#pragma once

#include <array>
#include <cstdint>

/// Structures as they lie in a PE file, in little-endian order, with the names of winnt.h in snake case.
/// https://learn.microsoft.com/windows/win32/debug/pe-format
namespace suture::pe::raw {

inline constexpr std::uint16_t kDosSignature = 0x5a4d;    ///< "MZ"
inline constexpr std::uint32_t kPeSignature = 0x00004550; ///< "PE\0\0"
inline constexpr std::uint16_t kPe32PlusMagic = 0x20b;

/// IMAGE_DOS_HEADER; all that matters is where the PE signature lies.
struct DosHeader {
    std::uint16_t magic;
    std::array<std::uint16_t, 29> unused;
    std::uint32_t lfanew; ///< file offset of the PE signature
};
static_assert(sizeof(DosHeader) == 64);

/// IMAGE_FILE_HEADER ("COFF File Header").
struct FileHeader {
    std::uint16_t machine;
    std::uint16_t number_of_sections;
    std::uint32_t time_date_stamp;
    std::uint32_t pointer_to_symbol_table;
    std::uint32_t number_of_symbols;
    std::uint16_t size_of_optional_header;
    std::uint16_t characteristics;
};
static_assert(sizeof(FileHeader) == 20);

/// IMAGE_OPTIONAL_HEADER64 without its data directories ("Optional Header").
struct OptionalHeader64 {
    std::uint16_t magic;
    std::uint8_t major_linker_version;
    std::uint8_t minor_linker_version;
    std::uint32_t size_of_code;
    std::uint32_t size_of_initialized_data;
    std::uint32_t size_of_uninitialized_data;
    std::uint32_t address_of_entry_point;
    std::uint32_t base_of_code;
    std::uint64_t image_base;
    std::uint32_t section_alignment;
    std::uint32_t file_alignment;
    std::uint16_t major_operating_system_version;
    std::uint16_t minor_operating_system_version;
    std::uint16_t major_image_version;
    std::uint16_t minor_image_version;
    std::uint16_t major_subsystem_version;
    std::uint16_t minor_subsystem_version;
    std::uint32_t win32_version_value;
    std::uint32_t size_of_image;
    std::uint32_t size_of_headers;
    std::uint32_t checksum;
    std::uint16_t subsystem;
    std::uint16_t dll_characteristics;
    std::uint64_t size_of_stack_reserve;
    std::uint64_t size_of_stack_commit;
    std::uint64_t size_of_heap_reserve;
    std::uint64_t size_of_heap_commit;
    std::uint32_t loader_flags;
    std::uint32_t number_of_rva_and_sizes;
};
static_assert(sizeof(OptionalHeader64) == 112);

/// IMAGE_DATA_DIRECTORY.
struct DataDirectory {
    std::uint32_t virtual_address;
    std::uint32_t size;
};
static_assert(sizeof(DataDirectory) == 8);

/// IMAGE_SECTION_HEADER ("Section Table").
struct SectionHeader {
    std::array<char, 8> name;
    std::uint32_t virtual_size;
    std::uint32_t virtual_address;
    std::uint32_t size_of_raw_data;
    std::uint32_t pointer_to_raw_data;
    std::uint32_t pointer_to_relocations;
    std::uint32_t pointer_to_linenumbers;
    std::uint16_t number_of_relocations;
    std::uint16_t number_of_linenumbers;
    std::uint32_t characteristics;
};
static_assert(sizeof(SectionHeader) == 40);

/// Size of an IMAGE_SYMBOL in the file, in bytes; the string table follows the last one ("COFF Symbol Table").
inline constexpr std::uint32_t kCoffSymbolSize = 18;

} // namespace suture::pe::raw
