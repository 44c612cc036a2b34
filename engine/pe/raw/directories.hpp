#pragma once

#include <array>
#include <cstdint>

/// What the small data directories hold, with the names of winnt.h in snake case.
/// https://learn.microsoft.com/windows/win32/debug/pe-format
namespace suture::pe::raw {

/// IMAGE_BASE_RELOCATION (".reloc Section"); 16-bit entries follow: type in the upper 4 bits, page offset in the
/// others.
struct RelocationBlock {
    std::uint32_t virtual_address;
    std::uint32_t size_of_block; ///< this header included, in bytes
};
static_assert(sizeof(RelocationBlock) == 8);

/// IMAGE_EXPORT_DIRECTORY (".edata Section").
struct ExportDirectory {
    std::uint32_t characteristics;
    std::uint32_t time_date_stamp;
    std::uint16_t major_version;
    std::uint16_t minor_version;
    std::uint32_t name;
    std::uint32_t base;
    std::uint32_t number_of_functions;
    std::uint32_t number_of_names;
    std::uint32_t address_of_functions;
    std::uint32_t address_of_names;
    std::uint32_t address_of_name_ordinals;
};
static_assert(sizeof(ExportDirectory) == 40);

/// IMAGE_IMPORT_DESCRIPTOR (".idata Section").
struct ImportDescriptor {
    std::uint32_t original_first_thunk;
    std::uint32_t time_date_stamp;
    std::uint32_t forwarder_chain;
    std::uint32_t name;
    std::uint32_t first_thunk;
};
static_assert(sizeof(ImportDescriptor) == 20);

/// IMAGE_DELAYLOAD_DESCRIPTOR ("Delay-Load Import Tables").
struct DelayLoadDescriptor {
    std::uint32_t attributes; ///< bit 0: the fields are RVAs
    std::uint32_t dll_name;
    std::uint32_t module_handle;
    std::uint32_t import_address_table;
    std::uint32_t import_name_table;
    std::uint32_t bound_import_address_table;
    std::uint32_t unload_information_table;
    std::uint32_t time_date_stamp;
};
static_assert(sizeof(DelayLoadDescriptor) == 32);

/// A thunk with this bit set names an ordinal in its lower 16 bits, else an RVA of a hint and a name.
inline constexpr std::uint64_t kImportByOrdinal = std::uint64_t{1} << 63;

/// IMAGE_DEBUG_DIRECTORY (".debug Section").
struct DebugDirectory {
    std::uint32_t characteristics;
    std::uint32_t time_date_stamp;
    std::uint16_t major_version;
    std::uint16_t minor_version;
    std::uint32_t type;
    std::uint32_t size_of_data;
    std::uint32_t address_of_raw_data;
    std::uint32_t pointer_to_raw_data;
};
static_assert(sizeof(DebugDirectory) == 28);

inline constexpr std::uint32_t kDebugCodeView = 2;
inline constexpr std::uint32_t kDebugExDllCharacteristics = 20;

/// The CodeView record of a PDB 7.0 file; the path follows, NUL-terminated.
/// https://llvm.org/docs/PDB/PdbStream.html names its GUID and age.
struct CodeViewRsds {
    std::uint32_t signature; ///< "RSDS"
    std::array<std::uint8_t, 16> guid;
    std::uint32_t age;
};
static_assert(sizeof(CodeViewRsds) == 24);

inline constexpr std::uint32_t kRsdsSignature = 0x53445352;

/// IMAGE_TLS_DIRECTORY64 (".tls Section"); pointers are virtual addresses.
struct TlsDirectory64 {
    std::uint64_t start_address_of_raw_data;
    std::uint64_t end_address_of_raw_data;
    std::uint64_t address_of_index;
    std::uint64_t address_of_callbacks;
    std::uint32_t size_of_zero_fill;
    std::uint32_t characteristics;
};
static_assert(sizeof(TlsDirectory64) == 40);

/// RUNTIME_FUNCTION of x64. https://learn.microsoft.com/cpp/build/exception-handling-x64
struct RuntimeFunctionX64 {
    std::uint32_t begin_address;
    std::uint32_t end_address;
    std::uint32_t unwind_info;
};
static_assert(sizeof(RuntimeFunctionX64) == 12);

/// RUNTIME_FUNCTION of Arm64. https://learn.microsoft.com/cpp/build/arm64-exception-handling
struct RuntimeFunctionArm64 {
    std::uint32_t begin_address;
    std::uint32_t unwind_data; ///< RVA of an .xdata record where the lower 2 bits are 0, else packed data
};
static_assert(sizeof(RuntimeFunctionArm64) == 8);

/// The fixed start of UNWIND_INFO, same source; unwind codes of 2 bytes follow.
struct UnwindInfoX64 {
    std::uint8_t version_and_flags; ///< version in the lower 3 bits
    std::uint8_t size_of_prolog;
    std::uint8_t count_of_codes;
    std::uint8_t frame_register_and_offset; ///< register in the lower 4 bits
};
static_assert(sizeof(UnwindInfoX64) == 4);

} // namespace suture::pe::raw
