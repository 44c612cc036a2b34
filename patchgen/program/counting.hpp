#pragma once

#include "patchgen/program/program.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace suture::program {

/// Where code goes on behind an instruction; indices of instructions.
struct Ways {
    static constexpr std::uint32_t kNowhere = ~0u;
    std::uint32_t jump = kNowhere; ///< to that one, perhaps
    bool goes_on = true;           ///< to the next one
    bool by_table = false;         ///< to wherever a table of the function leads
};

/// What may hold an address, or one that was made from it, while code runs.
struct Holders {
    std::uint32_t registers = 0;                                 ///< bit per register
    std::vector<std::pair<std::uint8_t, std::int64_t>> on_stack; ///< register that places count from, and distance

    bool has(std::uint8_t base, std::int64_t distance) const;
};

/// What one instruction does to the holders. True if it adds to the address what may lead behind the thing there.
using CountingStep = std::function<bool(std::uint32_t, Holders&)>;

/// Where code goes on behind one of the function's instructions.
using WaysOf = std::function<Ways(std::uint32_t)>;

/// True if code adds something to the address that the instruction `first`, of `count`, leaves in `registers`, on any
/// way from there. `cases`: where tables of the function lead. Code in which an address is followed for too long counts
/// as adding: kMostSteps, kMostPlaces.
bool may_count(std::size_t count, const WaysOf& ways, std::span<const std::uint32_t> cases, std::uint32_t first,
               std::uint32_t registers, const CountingStep& step);

/// Ways that are followed for one address.
inline constexpr std::size_t kMostSteps = std::size_t{1} << 14;
/// Places on the stack that one address is kept in.
inline constexpr std::size_t kMostPlaces = 32;

/// Where the function's own jump tables lead in it, ascending: offsets, or nothing where these are too many to follow.
std::optional<std::vector<std::uint32_t>> offsets_of_cases(const Function& function);

/// True if the function may get behind the first `size` bytes of what `reference`, one of its own, leads to, by adding
/// to the address. What becomes of an address that is given to other functions is not seen.
bool counts_from(const Program& program, const Function& function, const Reference& reference, std::uint32_t size);

} // namespace suture::program
