#pragma once

#include "engine/core/address.hpp"
#include "engine/isa/isa.hpp"

#include <cstdint>

namespace suture::patch {

/// Bytes of a page: what stubs and cells are counted in, on every supported system.
inline constexpr std::uint32_t kPage = 0x1000;

/// Rounds up to whole pages.
constexpr std::uint64_t pages_up(std::uint64_t bytes) {
    return (bytes + kPage - 1) & ~std::uint64_t{kPage - 1};
}

/// Where stubs, cells, the ledger and continuations of one module lie: one block of pages near it.
///
///     base                  n stub pages           read, execute
///     base + n pages        n cell pages           read      } committed together,
///     base + 2n pages       m ledger pages         read      } by one mapping operation
///     base + 2n + m pages   8n continuation pages  read, execute
///
/// Stub i lies at base + 8i, its cell n pages behind it, its continuation at 64i in the last part. Slot 0 belongs to
/// no function: cell 0 holds the mark by which a block is found (kBlockMark and n).
struct Block {
    Va base;
    std::uint32_t stub_pages = 1;   ///< n, 1 to kMaxStubPages
    std::uint32_t ledger_pages = 1; ///< m, 1 to kMaxLedgerPages

    auto operator<=>(const Block&) const = default;

    static constexpr std::uint32_t kStubsPerPage = kPage / isa::Isa::kStubSize;
    /// 65,535 functions in one module; more are refused.
    static constexpr std::uint32_t kMaxStubPages = 128;
    /// 64 MiB of ledger: 65,535 functions and some hundred versions.
    static constexpr std::uint32_t kMaxLedgerPages = 16384;

    std::uint32_t slots() const { return stub_pages * kStubsPerPage; }
    Va stub(std::uint32_t slot) const { return base + std::uint64_t{slot} * isa::Isa::kStubSize; }
    Va cell(std::uint32_t slot) const { return stub(slot) + std::uint64_t{stub_pages} * kPage; }
    Va continuation(std::uint32_t slot) const {
        return continuations().begin + std::uint64_t{slot} * isa::Isa::kContinuationSize;
    }

    VaRange stubs() const { return {base, std::uint64_t{stub_pages} * kPage}; }
    VaRange cells() const { return {stubs().end(), std::uint64_t{stub_pages} * kPage}; }
    VaRange ledger() const { return {cells().end(), std::uint64_t{ledger_pages} * kPage}; }
    VaRange continuations() const { return {ledger().end(), std::uint64_t{slots()} * isa::Isa::kContinuationSize}; }
    /// Cells and ledger: what a commit replaces.
    VaRange committed() const { return {cells().begin, cells().size + ledger().size}; }
    VaRange whole() const { return {base, continuations().end() - base}; }
};

/// First six bytes of cell 0; the number of stub pages follows as two bytes, little-endian.
inline constexpr std::uint64_t kBlockMark = 0x4552'5554'5553; // "SUTURE"

/// Value of cell 0.
constexpr std::uint64_t block_mark(std::uint32_t stub_pages) {
    return kBlockMark | std::uint64_t{stub_pages} << 48;
}

/// True for each value that block_mark() has.
constexpr bool is_block_mark(std::uint64_t cell) {
    const auto stub_pages = static_cast<std::uint32_t>(cell >> 48);
    return cell == block_mark(stub_pages) && stub_pages > 0 && stub_pages <= Block::kMaxStubPages;
}

} // namespace suture::patch
