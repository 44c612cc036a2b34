#pragma once

#include "engine/patch/ledger.hpp"

#include <span>
#include <string>
#include <vector>

namespace suture::patch {

/// How a module gets out of the state in which an operation was cut off.
enum class Recovery : std::uint8_t {
    none,     ///< it is in a final state
    finish,   ///< the version that was being prepared is put in force: another module of the update has it already
    undo,     ///< what was prepared goes; the version that was in force stays
    take_out, ///< everything goes, every byte as before
};

/// The way that follows from the ledgers of a process alone. Those of one update get the same: if one of them is
/// committed, all pages of the others are in place, and they follow; else none is committed, and none will be.
Recovery recovery_of(const Ledger& ledger, std::span<const Ledger> all);

/// True if nothing leads to what a live ledger tells of: its module is not loaded, or each of its sites holds the
/// baseline's bytes, as after it was unloaded and loaded again. Errors: target_gone, target_inaccessible.
Result<bool> is_stale(target::Target& target, const Ledger& ledger, std::span<const target::Module> modules);

/// True if the module of the ledger is among them.
bool is_loaded(const Ledger& ledger, std::span<const target::Module> modules);

/// In words: "put sequence 2 in force, as in the other modules of the update".
std::string describe(Recovery recovery, const Ledger& ledger);

/// The ledger as it is once an undone update is out of it.
Ledger without_update(const Ledger& ledger);

/// What lies in the process and belongs to no ledger.
struct Leftovers {
    std::vector<VaRange> pages; ///< mapped for a ledger that is not there
    std::vector<VaRange> aside; ///< of the implementation of Target, of no use to anybody

    bool empty() const { return pages.empty() && aside.empty(); }
    std::uint64_t bytes() const;
};

/// `ledgers` are all that the process has. Errors: those of the target.
Result<Leftovers> find_leftovers(target::Target& target, std::span<const Ledger> ledgers);

} // namespace suture::patch
