#pragma once

#include "patchgen/emit/fields.hpp"

namespace suture::emit::x64 {

/// Makes the references of a function, whose code has been copied into `fields`, lead where they must. Errors:
/// reference_out_of_reach, reference_unresolved.
Result<void> write_references(const Destinations& destinations, const diff::EmittedFunction& function, Fields& fields);

} // namespace suture::emit::x64
