#pragma once

#include "patchgen/cli/html/call_graph.hpp"
#include "patchgen/cli/report/model.hpp"

namespace suture::cli {

/// The report as one page that needs nothing else: no network, no other file. Same arguments, same bytes. Whatever
/// comes from an image or a symbol file stands in it as data alone, and the page's own policy lets no other code run
/// than its own. Both programs and `changes` are those that the report is about.
std::string page_of(const Report& report, const program::Program& baseline, const program::Program& updated,
                    const diff::ChangeSet& changes);

/// Instructions, of both sides together, that one page shows at most; functions beyond show none.
constexpr std::size_t kMaxPageLines = 400'000;

} // namespace suture::cli
