#pragma once

#include "patchgen/program/bounds.hpp"
#include "patchgen/program/rva_index.hpp"

#include <functional>

namespace suture::program {

/// The code of an image while it is being understood: parallel to the functions in it.
struct CodeMap {
    std::vector<Start> starts;                  ///< ascending
    std::vector<DecodedCode> codes;             ///< parallel to starts
    std::vector<std::vector<JumpTable>> tables; ///< parallel to starts

    /// Index of the function that holds `rva`, or nothing.
    std::optional<std::size_t> index_at(Rva rva) const;
    RvaRange range_of(std::size_t index) const { return {starts[index].begin, codes[index].size}; }
    /// To be called when `starts` has changed, before index_at().
    void index_starts();
    /// Adds functions that are not in it, ascending, with their code, and places for tables if the others have them.
    void merge(std::vector<Start> fresh, std::vector<DecodedCode> decoded);

  private:
    RvaIndex begins_;
};

/// Decodes what starts at `starts`, and what only its calls, jumps and addresses lead to. `pointers`: addresses from
/// elsewhere that may be those of functions, where they look like code. `guard_check`: see Stretch.
CodeMap read_code(const pe::Image& image, std::span<const pe::Relocation> relocations, std::optional<Rva> guard_check,
                  std::vector<Start> starts, std::span<const Rva> pointers);

/// Follows the registers through the functions at `indices`, as far as they need it: finds jump tables and references
/// by way of the image base, and marks what is not understood. `landmarks`: addresses at which data begins, ascending.
/// `related` says whether the function of the second index is a separated part of that of the first.
void read_jump_tables(const pe::Image& image, std::span<const pe::Relocation> relocations,
                      std::optional<Rva> guard_check, std::span<const Rva> landmarks,
                      const std::function<bool(std::size_t, std::size_t)>& related,
                      std::span<const std::size_t> indices, CodeMap& map);

} // namespace suture::program
