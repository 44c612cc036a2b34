#pragma once

#include "patchgen/emit/destinations.hpp"

#include <set>

namespace suture::emit::arm64 {

/// Where each adrp of a function leads, and who can no longer go on from it.
struct Pages {
    std::map<std::uint32_t, Address> by_adrp; ///< offset of the adrp: the page
    std::set<std::uint32_t> parted;           ///< offsets of instructions that need another page, or must not use one
};

/// The page that an address lies in.
Address page_of(Address address);

/// Gives each adrp that others go on from a page. `addresses`: where each reference leads, parallel to those of
/// `function`. `apart`: offsets of instructions that are not to go on from an adrp.
Pages plan_pages(const program::Function& function, std::span<const Address> addresses,
                 const std::set<std::uint32_t>& apart);

} // namespace suture::emit::arm64
