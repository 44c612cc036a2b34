#pragma once

#include "engine/package/writer.hpp"

#include <random>

namespace suture::package::test {

/// One function of heartbeat.dll, x64, with unwind data and a call of a baseline function: what most fixes come to.
Contents one_function();

/// No function, no section of the generator.
Contents nothing();

/// Everything that a package can say: all sections, zero fill, each kind of x64 site, both kinds of fixups, base
/// relocations, imports by name and ordinal, globals, names in several scripts, a PDB.
Contents everything();

/// One function of an Arm64 baseline.
Contents arm64_function();

/// Everything, of a baseline that control-flow guard guards.
Contents guarded();

/// Everything that is of Arm64 alone: its kinds of fixups, entries of .pdata with a record and packed, a fragment.
Contents arm64_everything();

/// Valid contents that differ with each state of the generator.
Contents random_contents(std::mt19937_64& random);

/// A site of its kind whose entry is the function's, with original bytes.
void set_site(Replacement& function, isa::SiteKind kind, std::uint32_t displaced, Rva pad = {});
/// The same for a kind without a pad, with 6 bytes at the entry.
void set_wide(Replacement& function, isa::SiteKind kind, std::uint32_t displaced);

/// Puts TimeDateStamp, digest and CheckSum right after a change of a package file without certificates, as an attacker
/// would; leaves a file alone that is no PE image any more.
void reseal(Bytes& file);

/// File offset of a section's first byte, and of what lies in `.hotp` at `offset`.
std::uint64_t offset_of_section(ByteView file, std::string_view name);
std::uint64_t offset_in_hotp(ByteView file, std::uint64_t offset);

} // namespace suture::package::test
