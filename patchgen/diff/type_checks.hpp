#pragma once

#include "patchgen/diff/contents.hpp"

namespace suture::diff {

/// Types whose layout differs between the images, where objects of the old layout may be alive when the new code runs.
/// `changed`: functions that differ; where there are none, no code looks at objects in another way.
///
/// A layout is another one if the size, a member's place or type, or an enumerator's value differs, or if there are
/// members or virtual functions that were not there before, be it in what was padding: old objects hold nothing of
/// value in those. Members that are only renamed, and new enumerators, are no other layout; nor is the end marker of an
/// enumeration that makes room for new ones.
///
/// Objects are known to be gone only where all of them lived in frames of functions that are replaced, on no stack when
/// the commit comes: no member, global, allocation, result, pointer to a function or local pointer has or leads to one,
/// functions that are given the address of one are called by those alone, and no other function changed, so that none
/// is left that could come by one through a cast.
///
/// Ascending by name. Codes: type_layout_changed.
std::vector<Error> check_types(const Pairing& pairing, const std::set<Edge>& changed);

/// How the layout of a type of the baseline differs from that of the updated image, for people; nothing where it does
/// not. Both must come from the programs of the same name.
std::optional<std::string> layout_difference(const program::Types& baseline, const program::TypeLayout& before,
                                             const program::Types& updated, const program::TypeLayout& after);

} // namespace suture::diff
