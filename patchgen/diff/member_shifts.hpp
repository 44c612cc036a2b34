#pragma once

#include "patchgen/diff/contents.hpp"

namespace suture::diff {

/// What code tells of a changed layout where no types do: functions that differ in nothing but where they expect the
/// members of objects, all of them by the same distance; or a function that differs in nothing but a constant, and
/// members that changed functions expect just as much elsewhere. Objects of the old layout may be alive when the new
/// code runs. `changed`: functions that differ. Code: type_layout_changed.
std::vector<Error> check_member_shifts(const Pairing& pairing, const std::set<Edge>& changed);

} // namespace suture::diff
