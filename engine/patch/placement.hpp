#pragma once

#include "engine/core/result.hpp"
#include "engine/target/target.hpp"

#include <span>

namespace suture::patch {

/// Free address space is taken in steps of this size, which every supported system can map at.
inline constexpr std::uint64_t kGranularity = 0x10000;

/// On which sides of a module a gap may lie.
enum class Side : std::uint8_t { either, behind };

/// A gap of `size` bytes in which every byte is less than `reach` away from every byte of `module`: the nearest one
/// behind the module, else, where that may be, the nearest one before it. `taken` counts as mapped besides `regions`; both may be in any
/// order. The result is aligned to kGranularity. Error: no_room_near_module.
Result<Va> find_gap(std::span<const target::Region> regions, std::span<const VaRange> taken,
                    const target::Module& module, std::uint64_t size, std::uint64_t reach,
                    Side side = Side::either);

} // namespace suture::patch
