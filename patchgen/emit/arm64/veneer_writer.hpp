#pragma once

#include "patchgen/emit/fields.hpp"

namespace suture::emit::arm64 {

/// Makes the veneers of one function, in the order of the instructions that they stand for.
class VeneerWriter {
  public:
    /// `at`: where the veneers begin.
    VeneerWriter(const program::Program& program, const program::Function& function, Rva at)
        : program_(program), at_(at), veneers_{&function, {}, {}} {}

    /// The veneer of `word`, the instruction at `offset` of the function and at `from` in the package, that must lead
    /// to `to`: where it begins. Errors: reference_out_of_reach, register_none, which say no place.
    Result<Rva> add(std::uint32_t word, std::uint32_t offset, Rva from, Address to);

    const Veneers& veneers() const { return veneers_; }
    /// Fields of the veneers that refer to the baseline.
    const std::vector<package::Fixup>& fixups() const { return fixups_; }

  private:
    Rva next() const { return at_ + static_cast<std::uint32_t>(veneers_.code.size()); }
    void put(std::uint32_t word);
    /// A word that leads somewhere from where it comes to lie.
    Result<void> put_aimed(std::uint32_t word, Address to);
    Result<void> put_address(std::uint32_t reg, Address to, bool whole);
    Result<std::uint32_t> scratch() const;
    Result<void> add_load(std::uint32_t word, Address to);
    Result<void> add_literal(std::uint32_t word, Address to);

    const program::Program& program_;
    Rva at_;
    Veneers veneers_;
    std::vector<package::Fixup> fixups_;
};

} // namespace suture::emit::arm64
