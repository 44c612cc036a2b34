#pragma once

#include "engine/package/package.hpp"
#include "engine/pe/image.hpp"
#include "engine/pe/imports.hpp"
#include "engine/pe/relocations.hpp"

namespace suture::package {

/// A package whose every table has been checked. Shows bytes that it does not own: they must outlive it.
/// What holds of a Package that exists: the digest over the file is right and nothing follows the last byte it covers
/// except a certificate table; every RVA of the manifest that means the package image lies inside the right kind of
/// section (replacements in executable code, fixups and slots in initialised bytes, not overlapping each other);
/// every list is in its total order without repetition; sites do not overlap; no section is writable and executable.
class Package {
  public:
    /// Errors: package_not_a_hotpatch, package_version_unsupported, package_damaged, package_malformed, and those of
    /// pe::Image::parse.
    static Result<Package> parse(ByteView file);

    const Manifest& manifest() const { return manifest_; }
    const pe::Image& image() const { return image_; }
    /// Fields that hold an address within the package image itself.
    const std::vector<pe::Relocation>& relocations() const { return relocations_; }
    /// Imports that the baseline does not have; `slot` lies in the package image.
    const std::vector<pe::ImportSlot>& imports() const { return imports_; }
    /// Unwind data of the replacements.
    const std::vector<pe::RuntimeFunction>& runtime_functions() const { return runtime_functions_; }
    /// XXH3-128 of the file less what a signature changes: tells packages apart.
    Digest digest() const { return digest_; }
    /// Offset and size of the certificate table, size 0 where the package is not signed.
    FileOffset certificates() const { return certificates_; }
    std::uint32_t certificates_size() const { return certificates_size_; }

  private:
    explicit Package(pe::Image image) : image_(std::move(image)) {}

    pe::Image image_;
    Manifest manifest_;
    std::vector<pe::Relocation> relocations_;
    std::vector<pe::ImportSlot> imports_;
    std::vector<pe::RuntimeFunction> runtime_functions_;
    Digest digest_;
    FileOffset certificates_;
    std::uint32_t certificates_size_ = 0;
};

} // namespace suture::package
