#pragma once

#include "engine/core/result.hpp"
#include "engine/patch/plan.hpp"
#include "engine/target/target.hpp"

#include <span>
#include <vector>

namespace suture::patch {

/// True if the bytes lie in pages that hold code and cannot be written to: nobody's change can be lost when such a page
/// is replaced.
bool in_plain_code(std::span<const target::Region> regions, VaRange range);

/// Makes the writes by replacing whole pages, with threads running in them. The writes of one function follow each
/// other in the order in which they must come to be seen; what lies in adjacent pages is seen at once. Each write's
/// `before` must be found. If it fails, some may have been made.
/// Errors: identity_function_differs, those of the target.
Result<void> write_by_pages(target::Target& target, std::span<const SiteWrite> writes);

/// Makes the writes one after the other while the threads stand still, each at once: one that crosses a page by
/// replacing both, where that can be, since a copy may end between them. Errors: as write_by_pages.
Result<void> write_stopped(target::Target& target, target::Stop& stop, std::span<const SiteWrite> writes);

/// The writes that take back what is found of `writes`: those whose `after` is in place, last first.
/// Errors: verification_failed (neither `before` nor `after` is found), those of the target.
Result<std::vector<SiteWrite>> writes_to_undo(target::Target& target, std::span<const SiteWrite> writes);

} // namespace suture::patch
