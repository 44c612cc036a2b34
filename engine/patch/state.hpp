#pragma once

#include "engine/patch/ledger.hpp"
#include "engine/patch/quiescence.hpp"

#include <string>
#include <vector>

namespace suture::patch {

/// What becomes of a global that a hotpatch brought, when another version comes into force.
struct StateNote {
    enum class What : std::uint8_t {
        kept,    ///< both versions have it: its value goes along
        resized, ///< both have it in another size: it has the value in the version that comes
        begins,  ///< only the version that comes has it, or one of them has no name for it: the value that is there,
                 ///< the update's at first, the last one where the version was in force before
        left,    ///< only the version that goes has it: nobody uses the value any more, until that one comes again
    };
    std::string module;
    std::string name; ///< as the ledger has it; empty where nothing names it
    std::uint32_t size = 0;
    What what = What::kept;
};

/// "kept", "resized", "begins", "left": the spelling used in output and JSON.
std::string_view name_of(StateNote::What what);

/// Globals that two versions have in common lie in the pages of each: their values have to be carried over.
struct StateTransfer {
    struct Copy {
        VaRange from;
        Va to;
    };
    std::vector<Copy> copies;
    std::vector<StateNote> notes; ///< none where the baseline, which has no such globals, is on one of the sides
};

/// Pure. Globals are the same where both versions have exactly one of that name.
StateTransfer transfer_between(const Ledger& ledger, std::uint32_t from, std::uint32_t to);

/// Carries the values over. No thread may be in code of the version that goes. Errors: those of the target.
Result<void> carry_over(target::Target& target, target::Stop& stop, const StateTransfer& transfer);

/// Code that uses the globals of a version: none of it may run while their values are carried over.
void forbid_version(std::vector<Forbidden>& forbidden, const Ledger& ledger, std::uint32_t sequence);

} // namespace suture::patch
