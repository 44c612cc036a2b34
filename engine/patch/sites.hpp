#pragma once

#include "engine/patch/plan.hpp"

namespace suture::patch {

/// The writes that put the sites of functions `first` and up back to the baseline's bytes, in the order that keeps each
/// function callable throughout: entry before pad.
Result<std::vector<SiteWrite>> restoring_writes(const Ledger& ledger, std::size_t first);
/// The writes that redirect them: pad before entry.
Result<std::vector<SiteWrite>> redirecting_writes(const Ledger& ledger, std::size_t first);

/// Those of `writes` that were not made yet, by the bytes that the target holds. A write that was cut off may have
/// reached its first page only: each page's part is one or the other. Their `before` is what was found. Error:
/// verification_failed, for what is neither.
Result<std::vector<SiteWrite>> outstanding(target::Target& target, const Ledger& ledger,
                                           std::span<const SiteWrite> writes);

} // namespace suture::patch
