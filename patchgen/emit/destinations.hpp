#pragma once

#include "patchgen/emit/layout.hpp"

namespace suture::emit {

/// An address of the package image or of the baseline.
struct Address {
    bool in_package = false;
    Rva rva;

    auto operator<=>(const Address&) const = default;
};

/// Says where what the comparison has found to be a destination lies. Refers to its arguments.
class Destinations {
  public:
    Destinations(const program::Program& updated, const Layout& layout) : updated_(updated), layout_(layout) {}

    const program::Program& updated() const { return updated_; }
    const Layout& layout() const { return layout_; }

    /// `at` and `function` (or nullptr) are where in the updated image the reference stands. Error:
    /// reference_unresolved, for something that is not emitted.
    Result<Address> resolve(const diff::Destination& destination, Rva at, const program::Function* function) const;
    /// Where the reference with this index leads.
    Result<Address> of_reference(const diff::EmittedFunction& function, std::size_t index) const;

    /// An error at `at` of the updated image, in `function` unless that is nullptr.
    Error error(Code code, Rva at, const program::Function* function, std::string detail) const;

  private:
    std::optional<Address> find(const diff::Destination& destination) const;

    const program::Program& updated_;
    const Layout& layout_;
};

} // namespace suture::emit
