#pragma once

#include "engine/package/reader.hpp"
#include "engine/patch/ledger.hpp"
#include "engine/patch/snapshot.hpp"

namespace suture::patch {

/// Proves that a module in a target is the baseline of a package, at all three levels: headers; every function to be
/// replaced, its site included; every executable section as a whole. Where a ledger is given, the sites that it
/// records count as put back. Nothing is changed.
///
/// Errors: identity_header_differs, identity_function_differs, identity_section_differs, foreign_detour (the bytes that
/// differ are a jump: `detail` names the module it leads to), site_unproved. Each names the first byte that differs,
/// as far as that can be known: in a function that is not replaced it is found with the help of the module's file.
Result<void> check_identity(target::Target& target, const package::Manifest& manifest, const Snapshot& snapshot,
                            const Ledger* ledger);

/// The overlays that put the sites of a ledger back to the baseline's bytes.
std::vector<pe::Overlay> restored_sites(const Ledger& ledger);

/// Names the place an address lies in: "ntdll.dll+0x1234", or "no module (0x…)".
std::string describe_address(std::span<const target::Module> modules, Va address);

} // namespace suture::patch
