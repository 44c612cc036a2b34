#pragma once

#include "engine/core/byte_view.hpp"
#include "engine/core/result.hpp"

#include <cstdint>

namespace suture::isa::arm64 {

/// What an instruction does to the instruction pointer.
enum class Flow : std::uint8_t {
    next,        ///< goes on behind itself; brk and svc too, as far as the processor is concerned
    jump,        ///< b
    conditional, ///< b.cond, cbz, cbnz, tbz, tbnz
    call,        ///< bl, blr
    end,         ///< br, ret: leads elsewhere by a register
};

/// `word` must be one that check_movable() accepts.
Flow flow_of(std::uint32_t word);

/// Whether `displaced` is one instruction that means the same wherever it is run, once it has been relocated. Refused
/// are those that the architecture ties to their neighbours (exclusive accesses, memory copies, prefixes), those that
/// mix the instruction's address into a signature, and words that are no instruction. Error: site_unproved.
Result<void> check_movable(ByteView displaced);

} // namespace suture::isa::arm64
