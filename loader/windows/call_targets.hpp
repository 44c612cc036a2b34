#pragma once

#include "engine/core/address.hpp"
#include "engine/core/result.hpp"
#include "loader/windows/memory.hpp"

#include <span>

namespace suture::loader {

/// The functions of the system that control-flow guard is seen to with. Windows before 8.1 and Wine 8 have not all.
struct GuardFunctions {
    decltype(&::GetProcessMitigationPolicy) policy = nullptr;
    decltype(&::SetProcessValidCallTargets) set_targets = nullptr;

    /// Those of this system; null where it has them not.
    static GuardFunctions of_system();
};

/// Control-flow guard of a process: which places calls by address may lead to.
class CallGuard {
  public:
    /// Says in the log why nothing will be done, where that is so.
    CallGuard(const Memory& memory, const GuardFunctions& functions);

    /// Whether the process ends when it calls by an address what is no target.
    bool enforced() const { return enforced_; }

    /// Leaves of executable pages just these places, ascending multiples of 16, as targets. Windows makes all places of
    /// fresh pages targets: where it does not do this, more of them stay, and the log says so.
    void restrict_to(VaRange pages, std::span<const Va> targets) const;
    /// Makes these places of modules targets, too. Error: call_target_impossible.
    Result<void> allow(std::span<const Va> targets) const;

  private:
    const Memory& memory_;
    GuardFunctions functions_;
    bool enforced_ = false;
};

} // namespace suture::loader
