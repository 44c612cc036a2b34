#include "loader/linux/arch.hpp"

namespace suture::loader::arch {

// Which thread could make the call, and how its frame lies, is not known well enough.
const bool kCallsPeCode = false;
const std::uint64_t kPeCallReturn = 0;

std::optional<PeBorrowing> make_pe_call(const Registers&, ByteView, std::uint64_t, const PeCall&) {
    return std::nullopt;
}

bool waits_for_the_program(const Registers&, Va, const Memory&, const WineLayout&) {
    return false;
}

} // namespace suture::loader::arch
