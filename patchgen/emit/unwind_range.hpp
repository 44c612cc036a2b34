#pragma once

#include "patchgen/emit/layout.hpp"

namespace suture::emit {

/// Alignment of unwind data, in bytes.
inline constexpr std::uint32_t kUnwindAlignment = 4;

/// What an entry of the updated image's .pdata covers, in the package. Nothing unless it is code of one emitted
/// function.
std::optional<RvaRange> emitted_range(const diff::ChangeSet& changes, const Layout& layout, RvaRange range);

/// An error unwind_unsupported at `at` of the updated image.
std::unexpected<Error> unwind_unsupported(const program::Program& updated, const program::Function& function, Rva at,
                                          std::string detail);

} // namespace suture::emit
