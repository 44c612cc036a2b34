#pragma once

#include "patchgen/emit/fields.hpp"

namespace suture::emit {

/// Takes room in .rdata for what the data of the handlers consists of besides what lies right behind the unwind data.
/// Error: unwind_unsupported.
Result<void> lay_out_handlers(const program::Program& updated, const diff::ChangeSet& changes, Layout& layout);

/// Copies the data of the function's handlers, and makes every address in it lead where its destination says. Errors:
/// reference_unresolved, reference_out_of_reach.
Result<void> write_handlers(const Destinations& destinations, const diff::EmittedFunction& function, Fields& fields);

} // namespace suture::emit
