#pragma once

#include "loader/host/process.hpp"

namespace suture::loader {

struct StoppedThread;
/// open_process() for a process whose only thread this one has attached to and stopped: it stands still until the Target
/// ends, whatever is done to it. Errors, with which it stays attached to: target_gone, target_not_pe.
Result<std::unique_ptr<target::Target>> open_held_process(const StoppedThread& only);

} // namespace suture::loader
