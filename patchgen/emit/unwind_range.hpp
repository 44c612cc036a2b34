#pragma once

#include "patchgen/emit/layout.hpp"

namespace suture::emit {

/// Alignment of unwind data, in bytes.
inline constexpr std::uint32_t kUnwindAlignment = 4;

/// What an entry of the updated image's .pdata covers, in the package. Nothing unless it is code of one emitted
/// function.
std::optional<RvaRange> emitted_range(const diff::ChangeSet& changes, const Layout& layout, RvaRange range);

/// Room for the unwind data of `entry`, `size` bytes with the RVA of its handler, and for what that is given right
/// behind it. Error: unwind_unsupported.
Result<Rva> take_with_handler(const program::Program& updated, const pe::RuntimeFunction& entry, std::uint32_t size,
                              const diff::EmittedHandler& handler, Layout& layout);

/// The handler's address for what was laid out so.
Rva handler_at(const Layout& layout, const diff::EmittedHandler& handler);

/// An error unwind_unsupported at `at` of the updated image.
std::unexpected<Error> unwind_unsupported(const program::Program& updated, const program::Function& function, Rva at,
                                          std::string detail);

} // namespace suture::emit
