#pragma once

#include <cstddef>
#include <cstdint>

/// Bounds of the package format. Each is far above what a hotpatch needs and low enough that reading a hostile file
/// costs little memory and time. docs/format.md lists them.
namespace suture::package {

/// The only version of the format that this code reads and writes.
inline constexpr std::uint32_t kFormatVersion = 1;

/// Bytes of a package file, certificate table included.
inline constexpr std::size_t kMaxFileSize = 64u << 20;
/// SizeOfImage of a package: all of it lies within reach of one branch together with the baseline.
inline constexpr std::uint32_t kMaxImageSize = 256u << 20;
inline constexpr std::size_t kMaxFunctions = 1u << 16;
inline constexpr std::size_t kMaxFixups = 1u << 20;
/// In the package, and in the baseline.
inline constexpr std::size_t kMaxCallTargets = 1u << 16;
inline constexpr std::size_t kMaxRelocations = 1u << 20;
inline constexpr std::size_t kMaxRuntimeFunctions = 1u << 17;
inline constexpr std::size_t kMaxGlobals = 1u << 16;
/// Executable sections of the baseline; Windows itself loads no image with more than 96 sections.
inline constexpr std::size_t kMaxSections = 96;
/// Bytes of the publisher's id.
inline constexpr std::size_t kMaxId = 1024;
/// Bytes of the baseline's file name: 255 UTF-16 units, the limit of NTFS, as UTF-8.
inline constexpr std::size_t kMaxModule = 765;
/// Bytes of the name of a function or global: what the length prefix can say. Mangled C++ names run to kilobytes.
inline constexpr std::size_t kMaxName = 65535;
/// Bytes at an entry that a continuation may have to run: 5 of 6 replaced bytes and an instruction of 15.
inline constexpr std::uint32_t kMaxDisplaced = 20;

} // namespace suture::package
