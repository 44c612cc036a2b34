#pragma once

#include "patchgen/program/program.hpp"
#include "patchgen/program/stretch.hpp"

namespace suture::program {

/// Added to a word that says where something ends: it counts by the last byte of that.
inline constexpr Rva kLastByte{0xffffffff};

/// What is known of the words in some data, and of its structures.
struct AddressWords {
    std::vector<AddressWord> words;
    std::vector<RvaRange> blocks; ///< structures whose size is known

    void append(const AddressWords& other);
    /// Ascending, one to an address.
    void settle();
};

/// The entries of tables that code adds to a base: as many as lead somewhere sensible before the next thing begins.
/// `landmarks`: addresses at which data begins, ascending.
std::vector<AddressWord> words_of(const pe::Image& image, std::span<const AddressTable> tables,
                                  std::span<const Rva> landmarks);

} // namespace suture::program
