#pragma once

#include "patchgen/program/counting.hpp"
#include "patchgen/program/stretch.hpp"
#include "patchgen/program/x64/zydis.hpp"

#include <array>
#include <optional>
#include <span>

namespace suture::program::x64 {

using DecodedOperands = std::array<ZydisDecodedOperand, ZYDIS_MAX_OPERAND_COUNT>;

inline constexpr std::uint8_t kStackPointer = 4;
inline constexpr std::uint8_t kFramePointer = 5;
/// RAX and RDX, where calls leave their results. Others keep what they hold where the caller knows that they do.
inline constexpr std::uint32_t kResults = 1u << 0 | 1u << 2;

struct Decoded {
    ZydisDecodedInstruction instruction;
    DecodedOperands operands;
};

/// Bit of the general register that holds `reg`; 0 if none does.
std::uint32_t bit_of(ZydisRegister reg);
std::uint32_t bit_of(const ZydisDecodedOperand& operand);

inline bool is_memory(const ZydisDecodedOperand& operand) {
    return operand.type == ZYDIS_OPERAND_TYPE_MEMORY;
}
inline bool reads(const ZydisDecodedOperand& operand) {
    return (operand.actions & ZYDIS_OPERAND_ACTION_MASK_READ) != 0;
}
inline bool writes(const ZydisDecodedOperand& operand) {
    return (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
}

/// The place on the stack that an operand is: the register that it counts from, and the distance.
std::optional<std::pair<std::uint8_t, std::int64_t>> stack_place(const ZydisDecodedOperand& operand);

/// Code of a function whose ways are followed.
class FollowedCode {
  public:
    FollowedCode(const Stretch& stretch, std::span<const std::uint32_t> instructions)
        : stretch_(stretch), instructions_(instructions) {}

    std::optional<Decoded> decode(std::uint32_t index) const;
    std::optional<std::uint32_t> index_of(std::uint32_t offset) const;
    /// Those of `offsets` that are instructions.
    std::vector<std::uint32_t> indices_of(std::span<const std::uint32_t> offsets) const;
    Ways ways_from(std::uint32_t index) const;
    std::size_t count() const { return instructions_.size(); }

  private:
    const Stretch& stretch_;
    std::span<const std::uint32_t> instructions_;
};

} // namespace suture::program::x64
