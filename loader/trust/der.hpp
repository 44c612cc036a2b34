#pragma once

#include "engine/core/byte_view.hpp"

#include <optional>

namespace suture::trust {

/// The tags of DER that are looked for (X.690, 8.1.2); all of the universal class.
enum class DerTag : int { object_identifier = 6, sequence = 16 };

/// One value of a DER stream.
struct DerValue {
    ByteView whole; ///< tag, length and content
    ByteView content;
};

/// Takes the first value off `from`, if it has this tag and a definite length and lies inside; else nothing, and
/// `from` stays as it is.
std::optional<DerValue> take_der(ByteView& from, DerTag tag);

} // namespace suture::trust
