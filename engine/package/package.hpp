#pragma once

#include "engine/core/hash.hpp"
#include "engine/isa/isa.hpp"
#include "engine/pe/identity.hpp"
#include "engine/pe/runtime_functions.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace suture::package {

/// One function of the baseline and what replaces it.
struct Replacement {
    std::string name;                ///< for people; empty where nothing names the function
    Rva baseline;                    ///< entry in the baseline
    std::uint32_t baseline_size = 0; ///< bytes
    Digest baseline_digest;          ///< masked digest of [baseline, baseline + baseline_size)
    isa::Site site;
    Bytes entry_bytes;            ///< original bytes from the entry on: site.original_size() of them
    Bytes pad_bytes;              ///< original bytes at site.pad: 5 where the kind has a pad, else none
    Rva patch;                    ///< entry of the replacement in the package image
    std::uint32_t patch_size = 0; ///< bytes
    bool loops_to_entry = false;  ///< its own code branches to its first byte

    bool operator==(const Replacement&) const = default;
};

/// How a field of the package image is computed once base addresses are known. Values are those of the format.
enum class FixupKind : std::uint8_t {
    absolute64 = 1, ///< 8 bytes: baseline base + target + addend
    rel32 = 2,      ///< 4 bytes, signed: (baseline base + target + addend) - (package base + source)
    /// An adrp: pages from its own to that of (baseline base + target). What goes on from it needs no fixup, since
    /// bases are multiples of a page. The addend is 0.
    arm64_page21 = 3,
    arm64_branch26 = 4, ///< a b or bl: words from itself to (baseline base + target). The addend is 0.
    /// 4 bytes: (package base + target) - baseline base, where `target` is an RVA of the package. For x64 code that adds
    /// RVAs to the baseline's base. At most 0x7fffffff: such code may extend it with zeros or with its sign, so the
    /// package has to lie behind the baseline. The addend is 0.
    image_relative32 = 5,
};

/// Bytes of such a field.
constexpr std::uint32_t size_of(FixupKind kind) {
    return kind == FixupKind::absolute64 ? 8 : 4;
}

/// "absolute64", "rel32", "arm64-page21", "arm64-branch26" or "image-relative32": the spelling used in output and JSON.
constexpr std::string_view name_of(FixupKind kind) {
    switch (kind) {
    case FixupKind::absolute64:
        return "absolute64";
    case FixupKind::rel32:
        return "rel32";
    case FixupKind::arm64_page21:
        return "arm64-page21";
    case FixupKind::arm64_branch26:
        return "arm64-branch26";
    case FixupKind::image_relative32:
        return "image-relative32";
    }
    return "unknown";
}

/// One field of the package image that is filled in once both base addresses are known.
struct Fixup {
    FixupKind kind = FixupKind::rel32;
    Rva source;              ///< the field, in the package image
    Rva target;              ///< what it refers to: in the baseline, of an image_relative32 in the package image
    std::int32_t addend = 0; ///< bytes; for an x64 rel32 field at the end of its instruction: -4

    auto operator<=>(const Fixup&) const = default;
};

/// A writable global that the update brings and the baseline has not; it lives in the package's .data.
struct Global {
    std::string name;       ///< empty where nothing names it
    Rva at;                 ///< in the package image
    std::uint32_t size = 0; ///< bytes

    bool operator==(const Global&) const = default;
};

/// Control-flow guard keeps one record for so many bytes.
inline constexpr std::uint32_t kCallTargetAlignment = 16;

/// What a package says, apart from the bytes of its sections.
struct Manifest {
    Machine machine = Machine::x64;
    std::string id;                 ///< free text of the publisher, UTF-8
    std::uint32_t sequence = 1;     ///< monotonic per baseline, from 1
    std::uint32_t min_sequence = 0; ///< lowest active sequence it may replace; 0: any, the bare baseline included
    std::string module;             ///< file name of the baseline, e.g. "heartbeat.dll"
    pe::HeaderIdentity baseline;
    std::array<std::uint8_t, 32> baseline_sha256{}; ///< of the baseline file
    std::array<std::uint8_t, 20> baseline_sha1{};   ///< of the baseline file
    std::vector<pe::SectionIdentity> sections;      ///< the baseline's executable sections
    std::vector<Replacement> functions;             ///< ascending by `baseline`
    /// Further code of the baseline that runs only on behalf of functions that change: their cold parts, and functions
    /// that the update no longer has. It is not redirected, but no thread may be in it at a commit. Ascending, not
    /// overlapping.
    std::vector<RvaRange> retired;
    std::vector<Fixup> fixups;   ///< ascending by `source`
    std::vector<Global> globals; ///< ascending by `at`
    /// Control-flow guard checks calls by address in the baseline, and so in the code that replaces some of it.
    bool guarded = false;
    /// Where such calls may lead in the package image: multiples of kCallTargetAlignment, ascending. Only if guarded.
    std::vector<Rva> call_targets;
    /// Functions of the baseline that the package takes the address of, and that the baseline's own table does not
    /// list: ascending. Only if guarded.
    std::vector<Rva> baseline_call_targets;

    bool operator==(const Manifest&) const = default;
};

} // namespace suture::package
