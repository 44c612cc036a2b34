#pragma once

#include "patchgen/emit/destinations.hpp"

#include <cstring>
#include <set>

namespace suture::emit {

/// What the fields of the emitted code and data come to.
struct Fields {
    Bytes text;
    Bytes rdata;
    Bytes data;
    std::vector<package::Fixup> fixups; ///< in the order in which they were met
    std::vector<Rva> relocations;
    std::vector<Veneers> veneers; ///< ascending by function; those that have any
    std::set<Rva> written;        ///< blocks of exception data that are there

    /// Puts `value`, little-endian, at `offset` of a section's bytes.
    template <class T>
    static void put(Bytes& bytes, std::uint32_t offset, T value) {
        std::memcpy(bytes.data() + offset, &value, sizeof(value));
    }
    /// Makes the 8-byte field at `field`, in the section with these bytes at `section_rva`, hold an address.
    void put_pointer(Bytes& bytes, Rva section_rva, Rva field, Address to);
    /// Makes the 4-byte field hold what is added to the baseline's base to get the address.
    void put_rva(Bytes& bytes, Rva section_rva, Rva field, Address to);
};

/// Copies the code and data, and makes every reference lead where its destination says. Unwind data and import table
/// stay zero. Veneers that do not fit in the room that the layout has for them are not written; they are in the result
/// all the same. Errors: reference_out_of_reach, reference_unresolved, register_none.
Result<Fields> write_fields(const program::Program& updated, const diff::ChangeSet& changes, const Layout& layout);

} // namespace suture::emit
