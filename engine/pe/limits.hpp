#pragma once

#include <cstddef>
#include <cstdint>

namespace suture::pe {

/// Largest SizeOfImage. The loaders of x64 and Arm64 refuse larger ones: references inside an image are 32-bit signed.
inline constexpr std::uint32_t kMaxImageSize = 0x80000000u;
/// Most sections of an image: what the Windows loader takes (Microsoft PE Format, "COFF File Header").
inline constexpr std::size_t kMaxSections = 96;
/// Entries of the data directory (Microsoft PE Format, "Optional Header Data Directories").
inline constexpr std::size_t kMaxDirectories = 16;
/// Longest section name taken from the COFF string table, in bytes. Compilers stay far below.
inline constexpr std::size_t kMaxSectionName = 255;
/// Longest exported, imported or file name, in bytes. MSVC hashes names beyond 4 KiB, clang and GCC do not.
inline constexpr std::size_t kMaxName = 16 * 1024;
/// Sum of all names that one reader copies, in bytes: entries may share one long string. Ten times the exports of the
/// largest libraries known.
inline constexpr std::size_t kMaxNameBytes = 64u * 1024 * 1024;
/// Most base relocations. Images of 250 MB have below 2 million.
inline constexpr std::size_t kMaxRelocations = 16u * 1024 * 1024;
/// Most exported addresses, and most exported names: ordinals are 16 bits wide.
inline constexpr std::size_t kMaxExports = 65536;
/// Most imported DLLs; the largest programs have some hundred.
inline constexpr std::size_t kMaxImportedDlls = 4096;
/// Most import slots of an image, over all its DLLs.
inline constexpr std::size_t kMaxImportSlots = 262144;
/// Most entries of the debug directory; linkers write fewer than ten.
inline constexpr std::size_t kMaxDebugEntries = 64;
/// Largest load config structure, in bytes; that of the Windows 11 SDK has 0x148.
inline constexpr std::size_t kMaxLoadConfigSize = 4096;
/// Most entries of a control flow guard table: one per function.
inline constexpr std::size_t kMaxGuardFunctions = 4u * 1024 * 1024;
/// Most entries of the exception directory: one per function and part of one.
inline constexpr std::size_t kMaxRuntimeFunctions = 4u * 1024 * 1024;
/// Most TLS callbacks; programs have a handful.
inline constexpr std::size_t kMaxTlsCallbacks = 1024;

} // namespace suture::pe
