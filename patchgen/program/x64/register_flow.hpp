#pragma once

#include "patchgen/program/x64/operations.hpp"

#include <functional>
#include <optional>

namespace suture::program::x64 {

/// Where a switch jumps: what is known before the table itself is read.
struct Switch {
    Rva table;
    Rva base;                           ///< added to an entry; RVA 0 where that is the image base
    std::optional<std::uint32_t> count; ///< entries, by the comparison in front of it

    auto operator<=>(const Switch&) const = default;
};

/// What following the registers through a function found.
struct RegisterFlow {
    std::vector<Switch> switches;      ///< ascending
    std::vector<Reference> references; ///< displacements that are RVAs, ascending
    std::string undecoded;             ///< empty: everything is understood
};

/// Which code is followed.
enum class Reach : std::uint8_t {
    known_ways, ///< what branches and switches lead to: to find the switches
    everything, ///< also what nothing is known to lead to, as where an exception goes on: to prove the result
};

/// Follows addresses through the registers. `jumps_of`: where a switch leads, as offsets in the stretch.
/// `looks_like_table` says whether relative jumps into the function may stand at an address.
RegisterFlow follow_registers(const Stretch& stretch, std::span<const Step> steps,
                              const std::function<std::span<const std::uint32_t>(const Switch&)>& jumps_of,
                              const std::function<bool(Rva)>& looks_like_table, Reach reach);

} // namespace suture::program::x64
