#pragma once

#include "patchgen/match/metadata.hpp"
#include "patchgen/program/rva_index.hpp"
#include "patchgen/program/texts.hpp"

namespace suture::match {

/// What lies at an address of an image.
enum class PlaceKind : std::uint8_t {
    function, ///< index: of the function
    import,   ///< index: of the import slot
    header,   ///< PE headers; the image base itself is offset 0
    metadata, ///< index: into Places::metadata()
    data,     ///< index: of the data object
    gap,      ///< code section, behind function `index`
    end,      ///< the end of section `index`, where nothing else begins
    outside,  ///< nothing that is known
};

struct Place {
    PlaceKind kind = PlaceKind::outside;
    std::uint32_t index = 0;
    std::uint32_t offset = 0; ///< from the start of what lies there

    auto operator<=>(const Place&) const = default;
};

/// Looks addresses of a program up. Refers to the program.
class Places {
  public:
    explicit Places(const program::Program& program);

    const program::Program& program() const { return program_; }
    Place at(Rva rva) const;
    const program::Texts& texts() const { return texts_; }
    std::span<const Metadata> metadata() const { return metadata_; }
    /// The first metadata that begins at or behind `rva`, or nullptr.
    const Metadata* metadata_from(Rva rva) const;
    /// Base relocations inside `range`, ascending.
    std::span<const pe::Relocation> relocations_in(RvaRange range) const;
    /// Words inside `range` that stand for addresses, ascending.
    std::span<const program::AddressWord> words_in(RvaRange range) const;
    std::uint32_t index_of(const program::Function& function) const {
        return static_cast<std::uint32_t>(&function - program_.functions().data());
    }
    std::uint32_t index_of(const program::DataObject& object) const {
        return static_cast<std::uint32_t>(&object - program_.data().data());
    }

  private:
    const program::Program& program_;
    std::vector<Metadata> metadata_;
    program::RvaIndex metadata_index_;
    program::Texts texts_;
};

} // namespace suture::match
