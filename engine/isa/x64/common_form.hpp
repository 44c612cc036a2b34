#pragma once

#include "engine/core/byte_view.hpp"

namespace suture::isa::x64 {

/// What reading code in a line needs to know of an instruction, by tables of the forms that make up nearly all of what
/// compilers write (Intel SDM volume 2, appendix A): some ten times as fast as decoding it. A test holds it against
/// Zydis for every form.
struct CommonForm {
    enum class Kind : std::uint8_t {
        other,       ///< of another form, or no instruction: has to be decoded; length and head may be told even so
        plain,       ///< goes on behind itself, has no distance, and is neither fill nor movsxd, which reads tables
        memory,      ///< likewise, but has an operand [rip + disp32]
        jump,        ///< direct and unconditional
        conditional, ///< jump
        call,        ///< direct
        ret,
        trap, ///< int3
    };
    enum class Access : std::uint8_t { address, read, write };

    static constexpr std::size_t kMaxHead = 6; ///< prefix, REX, 0f, opcode, ModRM, SIB

    Kind kind = Kind::other;
    std::uint8_t length = 0;         ///< bytes
    std::uint8_t head = 0;           ///< of them in front of displacement, distance and immediate; at most kMaxHead
    std::uint8_t field = 0;          ///< memory, jump, conditional, call: where in the instruction the distance is
    std::uint8_t field_size = 0;     ///< its bytes: 1 or 4
    Access access = Access::address; ///< memory: what is done there; reading and writing is writing
    std::uint8_t access_size = 0;    ///< bytes; 0 for an address
};

/// The form of the instruction that `code` starts with.
CommonForm common_form(ByteView code);

} // namespace suture::isa::x64
