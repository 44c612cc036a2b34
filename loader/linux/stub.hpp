#pragma once

#include "engine/core/address.hpp"
#include "loader/linux/maps.hpp"
#include "loader/linux/memory.hpp"

#include <optional>
#include <vector>

namespace suture::loader {

inline constexpr std::uint64_t kStubSize = 0x1000;
/// From the stub to where pages are prepared that are then moved over others.
inline constexpr std::uint64_t kStagingOffset = 0x10000;
/// What is free around a stub when it is mapped, so that the kernel joins it with nothing.
inline constexpr std::uint64_t kStubRoom = std::uint64_t{16} << 20;

/// A page that an injector mapped for its stub. Its address is random, but carries a check value of itself: so it is
/// found quickly, and also where the injector died before it had written the code.
struct StubPage {
    Va at;
    bool complete = false; ///< holds the code; else all zero
};

/// All of them in a process, the complete ones first.
std::vector<StubPage> find_stubs(const Memory& memory, const std::vector<MapEntry>& maps);
/// True if the code is at `at` now.
bool holds_stub(const Memory& memory, Va at);
/// True if an instruction pointer may be in one, by the address alone.
bool may_be_in_stub(Va ip);
/// A place for one; nothing if none was found free.
std::optional<Va> choose_stub_page(const std::vector<MapEntry>& maps);

/// Where pages are prepared for this stub's batches.
constexpr VaRange staging_area(Va stub) {
    return {stub + kStagingOffset, kStubRoom - kStagingOffset};
}

/// What lies in the staging area: pages of an operation that is under way, or was cut off.
std::vector<VaRange> find_staged(const std::vector<MapEntry>& maps, Va stub);

} // namespace suture::loader
