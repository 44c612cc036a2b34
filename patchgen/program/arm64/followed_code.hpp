#pragma once

#include "patchgen/program/arm64/instruction.hpp"
#include "patchgen/program/counting.hpp"
#include "patchgen/program/stretch.hpp"

namespace suture::program::arm64 {

inline constexpr std::uint8_t kFrame = 29;
/// X0 and X1, where calls leave their results.
inline constexpr std::uint32_t kResults = 1u << 0 | 1u << 1;

constexpr std::uint32_t field_of(std::uint32_t word, int high, int low) {
    return word >> low & ((1u << (high - low + 1)) - 1);
}

constexpr std::uint32_t bit_of(std::uint32_t reg) {
    return reg == kNone ? 0 : 1u << reg;
}

/// Where an instruction accesses memory: "Loads and stores" of the Arm Architecture Reference Manual for A-profile.
struct Operand {
    std::int64_t distance = 0; ///< from rn
    std::uint32_t size = 1;    ///< bytes
    bool by_register = false;  ///< another register is added
    std::int64_t moves = 0;    ///< what rn is left with more
    bool is_pair = false;
    bool is_whole = false; ///< registers of 8 bytes go to the stack and come back
};

/// Of an instruction that accesses memory.
Operand operand_of(std::uint32_t word, const Instruction& made);

/// Code of a function whose ways are followed.
class FollowedCode {
  public:
    explicit FollowedCode(const Stretch& stretch) : stretch_(stretch) {}

    std::uint32_t word_at(std::uint32_t index) const {
        return stretch_.bytes.read<std::uint32_t>(std::size_t{index} * kWord).value_or(0);
    }
    std::size_t count() const { return stretch_.bytes.size() / kWord; }
    Ways ways_from(std::uint32_t index) const;
    static std::vector<std::uint32_t> indices_of(std::span<const std::uint32_t> offsets);

  private:
    const Stretch& stretch_;
};

} // namespace suture::program::arm64
