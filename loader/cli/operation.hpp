#pragma once

#include "engine/patch/transaction.hpp"

#include <cstdint>
#include <functional>

namespace suture::cli {

/// Opens the process and runs an operation that changes it. From here on the signals with which people end programs
/// are ignored, until the program ends: an operation that is cut off would leave the process with unfinished work,
/// and none takes much longer than its --timeout. Errors: of opening the process, and the operation's.
Result<patch::Report> operate(std::uint64_t pid,
                              const std::function<Result<patch::Report>(target::Target&)>& operation);

} // namespace suture::cli
