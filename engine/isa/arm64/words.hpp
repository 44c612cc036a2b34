#pragma once

#include "engine/core/address.hpp"
#include "engine/core/byte_view.hpp"
#include "engine/core/result.hpp"
#include "engine/isa/arm64/immediates.hpp"

#include <cstdint>
#include <optional>

/// Instruction words that are written or looked for as they are.
namespace suture::isa::arm64 {

constexpr std::uint32_t kNop = 0xd503'201f;
constexpr std::uint32_t kB = 0x1400'0000;
constexpr std::uint32_t kAdrp = 0x9000'0000;
constexpr std::uint32_t kAddImmediate64 = 0x9100'0000;
constexpr std::uint32_t kLdrLiteral64 = 0x5800'0000;
constexpr std::uint32_t kLdr64 = 0xf940'0000; ///< with an unsigned offset
constexpr std::uint32_t kBr = 0xd61f'0000;

constexpr std::uint32_t kLinkRegister = 30;
constexpr std::uint32_t kZeroRegister = 31;
/// x16: the first of the two registers that veneers may change, and that stubs do.
constexpr std::uint32_t kScratch = 16;

/// Rd or Rt, bits 4:0, and Rn, bits 9:5.
constexpr std::uint32_t rd_of(std::uint32_t word) {
    return word & 31;
}
constexpr std::uint32_t rn_of(std::uint32_t word) {
    return word >> 5 & 31;
}
constexpr std::uint32_t rn(std::uint32_t reg) {
    return reg << 5;
}

void append(Bytes& out, std::uint32_t word);
void append64(Bytes& out, std::uint64_t value);

/// `b` at `at`. Error: branch_out_of_reach (further than 128 MiB, or not aligned).
Result<std::uint32_t> branch(Va at, Va to);

} // namespace suture::isa::arm64
