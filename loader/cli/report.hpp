#pragma once

#include "engine/patch/transaction.hpp"
#include "loader/cli/output.hpp"

namespace suture::cli {

/// What `apply`, `rollback`, `remove` and `recover` tell. The keys are there on failure too, with nothing in them.
Answer answer_of(std::uint64_t pid, const Result<patch::Report>& report);

} // namespace suture::cli
