#pragma once

#include "engine/core/hash.hpp"
#include "engine/core/result.hpp"
#include "engine/isa/isa.hpp"
#include "engine/patch/block.hpp"
#include "engine/pe/identity.hpp"
#include "engine/target/target.hpp"

#include <span>
#include <string>
#include <vector>

namespace suture::patch {

/// A function that has a stub, and how its site is undone. Its slot is its index + 1.
struct LedgerFunction {
    isa::Site site;
    std::uint32_t baseline_size = 0; ///< bytes
    Bytes entry_bytes;               ///< of the baseline, site.original_size() of them
    Bytes pad_bytes;                 ///< of the baseline: 5 or none

    bool operator==(const LedgerFunction&) const = default;
    /// The instructions that the continuation runs.
    ByteView displaced() const { return *ByteView(entry_bytes).slice(0, site.displaced); }
};

/// Pages that a version brought along, and what they must contain.
struct LedgerPages {
    VaRange range;
    target::Protection protection = target::Protection::read;
    Digest digest; ///< of the whole range; of no meaning for read_write pages

    bool operator==(const LedgerPages&) const = default;
};

/// A global that a version brought along, in one of its pages that may be written.
struct LedgerGlobal {
    Digest name_digest; ///< of the whole name; zero where it has none, or one that means nothing in another version
    std::string name;   ///< its beginning, for people
    Rva at;             ///< in the package image
    std::uint32_t size = 0;

    bool operator==(const LedgerGlobal&) const = default;
    bool has_name() const { return name_digest != Digest{}; }
};

/// A complete set of cell values. Version 0, the baseline, is not listed: each of its cells holds its continuation.
struct LedgerVersion {
    std::uint32_t sequence = 0;
    std::string id;
    Digest package;                 ///< of the package file, without its certificates
    VaRange image;                  ///< where the package image is mapped
    std::vector<LedgerPages> pages; ///< ascending
    std::vector<RvaRange> retired;  ///< package::Manifest::retired
    /// One per function of the ledger: where a call leads. Va{0}: to the continuation.
    std::vector<Va> cells;
    std::vector<LedgerGlobal> globals = {}; ///< ascending by `at`
    /// Of its RUNTIME_FUNCTIONs, in pages that are read only. Where there are any, they may be known to the process's
    /// unwinder for as long as their pages are mapped, and are from before the first commit on.
    Rva unwind = {};
    std::uint32_t unwind_count = 0;

    bool operator==(const LedgerVersion&) const = default;
    target::UnwindTable unwind_table() const { return {image.begin, image.begin + unwind.value, unwind_count}; }
};

/// What is being done to a module.
enum class Phase : std::uint8_t {
    preparing = 1, ///< pages are mapped or being mapped, sites may be written or not
    live = 2,      ///< all sites written, the active version in force
    removing = 3,  ///< sites may be restored or not
};

/// A module of an update, and the version that the update puts in force there.
struct UpdatePart {
    Va module; ///< its base
    std::uint32_t sequence = 0;

    auto operator<=>(const UpdatePart&) const = default;
};

/// The update that last changed a module, for who has to finish or undo it from ledgers alone. All modules of one
/// update have equal parts: one that is live with its part in force says that the others have to follow.
struct Update {
    bool fresh = false;            ///< the version was not there before: undoing takes it out
    std::uint32_t functions = 0;   ///< that had a slot before; those from there on were added for it
    std::vector<UpdatePart> parts; ///< ascending by module, this one among them; empty after a rollback

    bool operator==(const Update&) const = default;
};

/// The record of all that was done to a module, kept in the module's block in the target.
struct Ledger {
    Machine machine = Machine::x64;
    Block block;
    std::string module;
    VaRange module_range;
    pe::HeaderIdentity baseline;
    std::vector<pe::SectionIdentity> sections; ///< of the baseline
    Phase phase = Phase::preparing;
    std::uint32_t active = 0; ///< sequence of the version in force, 0 for the baseline
    Update update;
    std::vector<LedgerFunction> functions;
    std::vector<LedgerVersion> versions; ///< ascending by sequence

    bool operator==(const Ledger&) const = default;

    const LedgerVersion* version(std::uint32_t sequence) const;
    /// How many functions the version in force redirects.
    std::size_t redirected() const;
    /// This module's part of its update, or null.
    const UpdatePart* part() const;
    /// Where a call of function `index` leads under version `sequence`: an address in the package image, or its
    /// continuation.
    Va destination(std::size_t index, std::uint32_t sequence) const;
    /// Where the function goes on as in the baseline: entry + displaced where the displaced bytes do nothing, else the
    /// slot's continuation.
    Va continuation(std::size_t index) const;
};

/// Of a ledger's bytes, the first: what changes when another version comes into force, and nothing else then.
inline constexpr std::size_t kLedgerState = 8;

/// The state: the version in force, the phase, and a check that both were written for the record with this digest.
std::uint64_t ledger_state(std::uint32_t active, Phase phase, const Digest& record);

/// The ledger's bytes, from block.ledger_bytes() on: first the state, kLedgerState bytes; last the XXH3-128 of what is
/// between. Layout: docs/architecture.md, "The ledger".
Bytes serialize(const Ledger& ledger);

/// Reads bytes from a target, which are not trusted: `bytes` starts with a ledger, zeros may follow.
/// Error: ledger_damaged.
Result<Ledger> parse_ledger(ByteView bytes);

/// Content of block.committed(): the cells in force and the ledger that says so. Error: block_full.
Result<Bytes> committed_bytes(const Ledger& ledger);

/// Bytes that ledgers with this many functions, versions, sections, and retired ranges and globals per version need at
/// most.
std::uint64_t ledger_size(std::size_t functions, std::size_t versions, std::size_t sections, std::size_t retired,
                          std::size_t globals);
/// What of a global's name is kept; a longer one is cut.
inline constexpr std::size_t kMaxGlobalName = 64;

/// All ledgers that lie in the target, ascending by block. A block whose ledger cannot be read is reported as an error:
/// ledger_damaged with its address.
Result<std::vector<Ledger>> find_ledgers(target::Target& target);

/// needs_recover if an operation that concerns this module was cut off: on itself, or on another one of its update.
Result<void> check_final(const Ledger& ledger, std::span<const Ledger> all);

/// The ledger of the module with this file name, in its final state. Errors: not_patched, needs_recover, those of
/// find_ledgers().
Result<Ledger> ledger_of(target::Target& target, std::string_view module);

} // namespace suture::patch
