#include "engine/isa/arm64/words.hpp"

#include <fmt/format.h>

namespace suture::isa::arm64 {

void append(Bytes& out, std::uint32_t word) {
    for (unsigned shift = 0; shift < 32; shift += 8)
        out.push_back(static_cast<std::uint8_t>(word >> shift));
}

void append64(Bytes& out, std::uint64_t value) {
    append(out, static_cast<std::uint32_t>(value));
    append(out, static_cast<std::uint32_t>(value >> 32));
}

Result<std::uint32_t> branch(Va at, Va to) {
    const auto word = aimed_at(Form::branch26, kB, at.value, to.value);
    if (!word || at.value % kInstructionSize != 0)
        return fail(Code::branch_out_of_reach, fmt::format("a branch at {:#x} to {:#x}", at.value, to.value));
    return *word;
}

} // namespace suture::isa::arm64
