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
///     base + n pages        n cell pages           read      } committed together, by one mapping
///     base + 2n pages       m ledger pages         read      } operation or by one write to one page
///     base + 2n + m pages   8n continuation pages  read, execute
///
/// Stub i lies at base + 8i, its cell n pages behind it, its continuation at 64i in the last part. The first and the
/// last slot belong to no function: the first cell holds the mark by which a block is found (kBlockMark and n), the
/// last one the ledger's beginning, which tells what is in force.
struct Block {
    Va base;
    std::uint32_t stub_pages = 1;   ///< n, 1 to kMaxStubPages
    std::uint32_t ledger_pages = 1; ///< m, 1 to kMaxLedgerPages

    auto operator<=>(const Block&) const = default;

    static constexpr std::uint32_t kStubsPerPage = kPage / isa::Isa::kStubSize;
    /// 65,534 functions in one module; more are refused.
    static constexpr std::uint32_t kMaxStubPages = 128;
    /// 64 MiB of ledger: 65,535 functions and some hundred versions.
    static constexpr std::uint32_t kMaxLedgerPages = 16384;

    std::uint32_t slots() const { return stub_pages * kStubsPerPage; }
    std::uint32_t max_functions() const { return slots() - 2; }
    Va stub(std::uint32_t slot) const { return base + std::uint64_t{slot} * isa::Isa::kStubSize; }
    Va cell(std::uint32_t slot) const { return stub(slot) + std::uint64_t{stub_pages} * kPage; }
    Va continuation(std::uint32_t slot) const {
        return continuations().begin + std::uint64_t{slot} * isa::Isa::kContinuationSize;
    }

    VaRange stubs() const { return {base, std::uint64_t{stub_pages} * kPage}; }
    VaRange cells() const { return {stubs().end(), std::uint64_t{stub_pages} * kPage}; }
    VaRange ledger() const { return {cells().end(), std::uint64_t{ledger_pages} * kPage}; }
    /// Where the ledger's bytes begin: with the last cell.
    Va ledger_bytes() const { return cell(slots() - 1); }
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
