#pragma once

#include "patchgen/prove/overlay.hpp"

namespace suture::prove {

/// Bytes of an image or of the patched program, zero fill included: shown where they lie if they are all there, since
/// a proof looks at millions of pieces.
class Content {
  public:
    Content(const pe::Image& image, RvaRange range) : shown_(view(image, range)) {
        if (!shown_)
            keep(image.content(range));
    }
    Content(const Overlay& overlay, Place place, std::uint32_t size)
        : shown_(place.in_package ? std::nullopt : view(overlay.baseline().image(), {place.rva, size})) {
        if (!shown_)
            keep(overlay.content(place, size));
    }
    Content(const Content&) = delete;
    Content& operator=(const Content&) = delete;

    /// Nothing if part of it is in no section.
    const std::optional<ByteView>& bytes() const { return shown_; }

  private:
    static std::optional<ByteView> view(const pe::Image& image, RvaRange range) {
        return image.section_at(range.begin) ? image.bytes_at(range.begin, range.size) : std::nullopt;
    }

    void keep(std::optional<Bytes> bytes) {
        if (!bytes)
            return;
        kept_ = std::move(*bytes);
        shown_ = kept_;
    }

    Bytes kept_;
    std::optional<ByteView> shown_;
};

} // namespace suture::prove
