#pragma once

#include "engine/core/byte_view.hpp"
#include "engine/core/error.hpp"

#include <optional>
#include <ostream>
#include <span>
#include <string>

namespace suture::trust::test {

/// What is done to a signed file before it is verified; the signed file itself where nothing is.
using Edit = void (*)(Bytes& file);

/// One row of the signature matrix: a file that make_signed.sh made, what somebody did to it, and what the user trusts.
struct Row {
    const char* name;              ///< as in docs/signing.md
    const char* file;              ///< NAME.dll
    const char* anchors;           ///< names of certificates, with spaces between
    const char* stampers;          ///< anchors for time stamps
    const char* lists;             ///< names of revocation lists
    Edit edit;                     ///< may be nothing
    std::optional<Code> refusal;   ///< nothing: accepted
    std::optional<Code> elsewhere; ///< that a system has which does not verify this kind of signature
    bool soon = false;             ///< verified a month from now, not in 2030
};

std::span<const Row> rows();

/// For GoogleTest.
inline void PrintTo(const Row& row, std::ostream* out) {
    *out << row.name;
}

} // namespace suture::trust::test
