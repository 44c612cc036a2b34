#pragma once

#include "engine/patch/transaction.hpp"
#include "loader/cli/output.hpp"

#include <span>

namespace suture::cli {

/// What `apply`, `rollback`, `remove` and `recover` tell. The keys are there on failure too, with nothing in them.
Answer answer_of(std::uint64_t pid, const Result<patch::Report>& report);

/// Warns, before anything is done, of globals of an earlier hotpatch that do not keep their values.
void warn_of_state(std::span<const patch::StateNote> notes);

} // namespace suture::cli
