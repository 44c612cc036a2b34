#pragma once

#include "engine/core/error.hpp"

#include <string_view>

namespace suture::cli {

/// What `suture` returns to the shell; scripts rely on it.
enum class Exit : int {
    done = 0,
    bad_input = 1,
    usage = 2,
    nothing_to_do = 3,
    refused = 4,
    not_quiescent = 5,
    not_trusted = 6,
    target_gone = 7, ///< or not accessible
    needs_recover = 8,
};

/// How a command ends that met this reason. docs/refusals.md has the same table; a test holds them together.
Exit exit_of(Code code);

/// "done", "bad-input", … : "result" in JSON.
std::string_view name_of(Exit exit);

} // namespace suture::cli
