#include "loader/windows/call_targets.hpp"

#include "engine/package/package.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <vector>

namespace suture::loader {

namespace {

using package::kCallTargetAlignment;

/// Bytes of a region that one call is about: as many places as it takes at once.
constexpr std::uint64_t kPiece = 0x10000;

} // namespace

GuardFunctions GuardFunctions::of_system() {
    const auto find = [](const wchar_t* library, const char* name) {
        const HMODULE module = ::GetModuleHandleW(library);
        return module ? ::GetProcAddress(module, name) : nullptr;
    };
    GuardFunctions found;
    // What a function pointer is cast to twice is no matter of its calling convention.
    found.policy = reinterpret_cast<decltype(found.policy)>(
        reinterpret_cast<void*>(find(L"kernel32.dll", "GetProcessMitigationPolicy")));
    found.set_targets = reinterpret_cast<decltype(found.set_targets)>(
        reinterpret_cast<void*>(find(L"kernelbase.dll", "SetProcessValidCallTargets")));
    return found;
}

CallGuard::CallGuard(const Memory& memory, const GuardFunctions& functions) : memory_(memory), functions_(functions) {
    PROCESS_MITIGATION_CONTROL_FLOW_GUARD_POLICY policy{};
    if (!functions_.policy)
        spdlog::debug("control-flow guard: call targets are not set, this system has no GetProcessMitigationPolicy");
    else if (!functions_.policy(memory_.process(), ProcessControlFlowGuardPolicy, &policy, sizeof policy))
        spdlog::debug("control-flow guard: call targets are not set, its policy is not known ({})", last_error());
    else if (!policy.EnableControlFlowGuard)
        spdlog::debug("control-flow guard: call targets are not set, the process does not enforce it{}",
                      functions_.set_targets ? "" : ", and this system has no SetProcessValidCallTargets");
    else
        enforced_ = true;
    if (enforced_ && !functions_.set_targets)
        spdlog::debug("control-flow guard: this system has no SetProcessValidCallTargets");
}

void CallGuard::restrict_to(VaRange pages, std::span<const Va> targets) const {
    if (!enforced_ || !functions_.set_targets)
        return;
    auto next = targets.begin();
    for (Va piece = pages.begin; piece < pages.end(); piece = piece + kPiece) {
        const std::uint64_t size = std::min<std::uint64_t>(kPiece, pages.end() - piece);
        std::vector<CFG_CALL_TARGET_INFO> places;
        for (std::uint64_t offset = 0; offset < size; offset += kCallTargetAlignment) {
            const bool is_target = next != targets.end() && *next == piece + offset;
            places.push_back({static_cast<ULONG_PTR>(offset), ULONG_PTR{is_target ? CFG_CALL_TARGET_VALID : 0u}});
            next += is_target;
        }
        if (!functions_.set_targets(memory_.process(), reinterpret_cast<void*>(piece.value), size,
                                    static_cast<ULONG>(places.size()), places.data())) {
            spdlog::debug("control-flow guard: 0x{:x} bytes at 0x{:x} stay as open to calls as fresh pages are ({})",
                          size, piece.value, last_error());
            return;
        }
    }
    spdlog::debug("control-flow guard: {} call targets in 0x{:x} bytes at 0x{:x}", targets.size(), pages.size,
                  pages.begin.value);
}

Result<void> CallGuard::allow(std::span<const Va> targets) const {
    if (!enforced_)
        return {};
    const auto impossible = [](Va target, std::string why) {
        return fail(Code::call_target_impossible, fmt::format("0x{:x}: {}", target.value, why));
    };
    for (const Va target : targets) {
        if (!functions_.set_targets)
            return impossible(target, "this system has no SetProcessValidCallTargets");
        if (target.value % kCallTargetAlignment != 0)
            return impossible(target, fmt::format("no multiple of {}", kCallTargetAlignment));
        const auto pages = memory_.query(target);
        if (!pages)
            return impossible(target, last_error());
        CFG_CALL_TARGET_INFO place{target - pages->range.begin, CFG_CALL_TARGET_VALID};
        if (!functions_.set_targets(memory_.process(), reinterpret_cast<void*>(pages->range.begin.value),
                                    pages->range.size, 1, &place))
            return impossible(target, "SetProcessValidCallTargets: " + last_error());
    }
    return {};
}

} // namespace suture::loader
