#pragma once

#include "engine/pe/identity.hpp"
#include "engine/pe/image.hpp"
#include "engine/target/target.hpp"

namespace suture::patch {

/// A module as it lies in the target at one moment, with what is needed to compare it with its baseline. Owns its
/// bytes; not movable, since `image` shows them.
class Snapshot {
  public:
    /// Reads the whole module; pages that the process itself cannot read count as zeros. Errors: module_unreadable,
    /// those of pe::Image::parse, target_read_failed.
    static Result<std::unique_ptr<const Snapshot>> take(target::Target& target, const target::Module& module);

    const target::Module& module() const { return module_; }
    const pe::Image& image() const { return *image_; }
    /// Fields that do not count when the module is compared (pe::masked_fields_of).
    std::span<const RvaRange> masked() const { return masked_; }

  private:
    Snapshot() = default;

    target::Module module_;
    Bytes bytes_;
    std::optional<pe::Image> image_;
    std::vector<RvaRange> masked_;
};

} // namespace suture::patch
