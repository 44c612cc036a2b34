#pragma once

#include "patchgen/diff/data_map.hpp"
#include "patchgen/diff/handlers.hpp"

namespace suture::diff {

/// What in one image corresponds to what in the other: the ground that every comparison stands on.
struct Pairing {
    Pairing(const program::Program& baseline_program, const program::Program& updated_program)
        : Pairing(places_of(baseline_program, updated_program)) {}
    Pairing(const Pairing&) = delete;
    Pairing& operator=(const Pairing&) = delete;

    match::Places baseline;
    match::Places updated;
    match::Matching functions;
    DataMap data;
    HandlerTargets baseline_handlers;
    HandlerTargets updated_handlers;

    const program::Function& old_function(std::uint32_t index) const { return baseline.program().functions()[index]; }
    const program::Function& new_function(std::uint32_t index) const { return updated.program().functions()[index]; }
    /// True if two import slots are bound to the same thing.
    bool same_import(std::uint32_t old_slot, std::uint32_t new_slot) const;
    /// True if two sections have the same name.
    bool same_section(std::uint32_t old_section, std::uint32_t new_section) const;
    /// True if two pieces of metadata are the same piece.
    bool same_metadata(std::uint32_t old_index, std::uint32_t new_index) const;

  private:
    using BothPlaces = std::pair<match::Places, match::Places>;
    static BothPlaces places_of(const program::Program& baseline, const program::Program& updated);
    explicit Pairing(BothPlaces places);
};

/// True if DLL names are equal without regard to case.
bool same_dll(std::string_view a, std::string_view b);

} // namespace suture::diff
