#pragma once

#include <span>
#include <string>
#include <string_view>

namespace suture::match {

/// A symbol's name without the numbers that a compiler gives out anew in each build: "f.constprop.2" and
/// "f.constprop.0" are "f.constprop", "buffer.7" is "buffer".
std::string family_of(std::string_view name);

/// True if nothing in the names speaks against their being the same thing: one list is empty, or the lists share a
/// name or the family of one.
bool names_compatible(std::span<const std::string> a, std::span<const std::string> b);

} // namespace suture::match
