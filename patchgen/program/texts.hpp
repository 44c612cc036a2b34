#pragma once

#include "engine/pe/image.hpp"

namespace suture::program {

/// Longest string that is taken for text, in bytes with its NUL.
inline constexpr std::size_t kMaxText = 65536;

/// True for what text consists of: printable characters, white space, escape, and all that is not ASCII.
constexpr bool printable(std::uint8_t c) {
    return c >= 0x20 || (c >= '\t' && c <= '\r') || c == 0x1b;
}

/// Finds NUL-terminated text in an image, which must outlive it. Knows where long runs of characters end: Rust's
/// literals have no NUL and lie behind each other, so that looking for one at each of them would take quadratic time.
class Texts {
  public:
    explicit Texts(const pe::Image& image);

    /// The text at `rva`, without its NUL, which may be empty; nothing if there is something else, or no NUL within
    /// kMaxText bytes of the section.
    std::optional<std::string_view> at(Rva rva) const;

  private:
    const pe::Image& image_;
    std::vector<RvaRange> runs_; ///< those of printable bytes that are long, ascending
};

} // namespace suture::program
