#include "loader/windows/shadow_stacks.hpp"

namespace suture::loader {

bool has_shadow_stacks(HANDLE process, const GuardFunctions& functions) {
    // ProcessUserShadowStackPolicy, of Windows 10 2004; MinGW-w64's headers are older. EnableUserShadowStack is the
    // lowest bit.
    constexpr auto kPolicy = static_cast<PROCESS_MITIGATION_POLICY>(15);
    DWORD flags = 0;
    return functions.policy && functions.policy(process, kPolicy, &flags, sizeof flags) && (flags & 1) != 0;
}

} // namespace suture::loader
