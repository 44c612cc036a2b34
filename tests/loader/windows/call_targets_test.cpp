// Control-flow guard, which Wine has not: the two functions of the system are stood in for, all else is real.

#include "loader/host/process.hpp"
#include "loader/windows/call_targets.hpp"
#include "tests/loader/windows/other_process.hpp"

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <map>
#include <sstream>

namespace suture::loader {
namespace {

/// What the process would let calls lead to; places that nothing was said of are not in it.
struct Guard {
    bool enforces = true;
    bool fails = false;
    unsigned calls = 0;
    std::map<Va, bool> targets;
} guard;

BOOL WINAPI policy(HANDLE, PROCESS_MITIGATION_POLICY what, void* into, SIZE_T size) {
    if (what != ProcessControlFlowGuardPolicy || size != sizeof(PROCESS_MITIGATION_CONTROL_FLOW_GUARD_POLICY))
        return FALSE;
    static_cast<PROCESS_MITIGATION_CONTROL_FLOW_GUARD_POLICY*>(into)->EnableControlFlowGuard = guard.enforces;
    return TRUE;
}

/// Takes what Windows documents: places within a region of whole pages, multiples of 16.
BOOL WINAPI set_targets(HANDLE, void* at, SIZE_T size, ULONG count, CFG_CALL_TARGET_INFO* places) {
    ++guard.calls;
    const Va begin{reinterpret_cast<std::uint64_t>(at)};
    ::SetLastError(ERROR_INVALID_PARAMETER);
    if (guard.fails || begin.value % 0x1000 != 0 || size % 0x1000 != 0)
        return FALSE;
    for (ULONG i = 0; i < count; ++i) {
        if (places[i].Offset >= size || places[i].Offset % 16 != 0)
            return FALSE;
        guard.targets[begin + places[i].Offset] = places[i].Flags == CFG_CALL_TARGET_VALID;
    }
    return TRUE;
}

class CallTargets : public testing::Test {
  protected:
    CallTargets() {
        guard = {};
        auto logger = std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(log));
        logger->set_level(spdlog::level::debug);
        spdlog::set_default_logger(std::move(logger));
    }
    ~CallTargets() override { spdlog::set_default_logger(before); }

    std::vector<Va> valid() const {
        std::vector<Va> found;
        for (const auto& [at, is_target] : guard.targets)
            if (is_target)
                found.push_back(at);
        return found;
    }
    bool logged(std::string_view text) const { return log.str().find(text) != std::string::npos; }

    static constexpr Va kPages{0x2'0000'0000};
    std::ostringstream log;
    std::shared_ptr<spdlog::logger> before = spdlog::default_logger();
    Memory memory{::GetCurrentProcess()};
};

TEST_F(CallTargets, OfFreshPagesAreJustThoseThatAreListed) {
    const CallGuard one(memory, {&policy, &set_targets});
    EXPECT_TRUE(one.enforced());
    const std::vector<Va> targets{kPages, kPages + 0xfff0, kPages + 0x10000, kPages + 0x12ff0};
    one.restrict_to({kPages, 0x13000}, targets);
    EXPECT_EQ(valid(), targets);
    EXPECT_EQ(guard.targets.size(), 0x13000u / 16) << "of every other place it is said that it is none";
    EXPECT_TRUE(logged("4 call targets in 0x13000 bytes at 0x200000000")) << log.str();
    one.restrict_to({kPages, 0x1000}, {});
    EXPECT_EQ(valid(), std::vector<Va>(targets.begin() + 1, targets.end()));
}

TEST_F(CallTargets, PagesStayOpenWhereTheyCannotBeRestricted) {
    guard.fails = true;
    CallGuard(memory, {&policy, &set_targets}).restrict_to({kPages, 0x1000}, {});
    EXPECT_TRUE(logged("stay as open to calls as fresh pages are")) << log.str();
}

TEST_F(CallTargets, FunctionsOfModulesAreAddedInTheirOwnPages) {
    const Va function{reinterpret_cast<std::uint64_t>(::GetProcAddress(::GetModuleHandleW(L"ntdll.dll"), "NtClose")) &
                      ~std::uint64_t{15}};
    const CallGuard one(memory, {&policy, &set_targets});
    const std::array targets{function, function + 16};
    const auto done = one.allow(targets);
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_EQ(valid(), std::vector<Va>(targets.begin(), targets.end()));
    EXPECT_EQ(guard.targets.size(), 2u) << "of no other place anything is said";
}

TEST_F(CallTargets, OfModulesThatCannotBeSetAreRefused) {
    const auto code_of = [&](GuardFunctions functions, Va target) {
        const auto done = CallGuard(memory, functions).allow({&target, 1});
        return done ? "none" : std::string(text_of(done.error().code()));
    };
    const Va function{reinterpret_cast<std::uint64_t>(&policy) & ~std::uint64_t{15}};
    EXPECT_EQ(code_of({&policy, &set_targets}, function), "none");
    EXPECT_EQ(code_of({&policy, &set_targets}, function + 8), "call-target-impossible");
    EXPECT_EQ(code_of({&policy, nullptr}, function), "call-target-impossible");
    EXPECT_TRUE(logged("this system has no SetProcessValidCallTargets"));
    guard.fails = true;
    EXPECT_EQ(code_of({&policy, &set_targets}, function), "call-target-impossible");
    guard.enforces = false;
    EXPECT_EQ(code_of({&policy, &set_targets}, function + 8), "none") << "nothing guards";
}

TEST_F(CallTargets, WhereNothingGuardsTheReasonIsLoggedAndNothingIsSet) {
    const auto try_all = [&](GuardFunctions functions) {
        log.str({});
        const CallGuard one(memory, functions);
        EXPECT_FALSE(one.enforced());
        one.restrict_to({kPages, 0x1000}, {});
        EXPECT_TRUE(one.allow({}));
        EXPECT_EQ(guard.calls, 0u);
    };
    try_all({nullptr, &set_targets});
    EXPECT_TRUE(logged("this system has no GetProcessMitigationPolicy")) << log.str();
    guard.enforces = false;
    try_all({&policy, &set_targets});
    EXPECT_TRUE(logged("the process does not enforce it")) << log.str();
    EXPECT_FALSE(logged("has no SetProcessValidCallTargets")) << log.str();
    try_all({&policy, nullptr});
    EXPECT_TRUE(logged("the process does not enforce it, and this system has no SetProcessValidCallTargets"))
        << log.str();
}

// Of a process of this system, whatever it has: Wine 8 has no SetProcessValidCallTargets, and enforces nothing.
TEST_F(CallTargets, OfARealProcessAreSetOrItIsSaidWhyNot) {
    test::OtherProcess other{1};
    auto target = open_process(other.pid()).value();
    const target::Mapping mapping{{kPages, 0x1000},
                                  Bytes(0x1000, 0xc3),
                                  target::Protection::read_execute,
                                  target::Backing::sealed,
                                  std::vector<Va>{kPages + 0x20}};
    ASSERT_TRUE(target->map({&mapping, 1}));
    EXPECT_TRUE(logged("control-flow guard: ")) << log.str();
    EXPECT_TRUE(other.runs());
}

} // namespace
} // namespace suture::loader
