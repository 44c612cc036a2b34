#include "patchgen/prove/arm64/lockstep.hpp"

#include <gtest/gtest.h>

namespace suture::prove::arm64 {
namespace {

using program::Use;
using Words = std::vector<std::uint32_t>;

constexpr std::uint32_t kRet = 0xd65f03c0;
constexpr std::uint32_t kNop = 0xd503201f;
constexpr std::uint32_t kMovX8One = 0xd2800028;     // mov x8, #1
constexpr std::uint32_t kMovX9X8 = 0xaa0803e9;      // mov x9, x8
constexpr std::uint32_t kMovX0X16 = 0xaa1003e0;     // mov x0, x16
constexpr std::uint32_t kBlrX9 = 0xd63f0120;        // blr x9
constexpr std::uint32_t kLdrX0X8X1 = 0xf8616900;    // ldr x0, [x8, x1]
constexpr std::uint32_t kStpX8X9 = 0xa90127e8;      // stp x8, x9, [sp, #16]
constexpr std::uint32_t kAddX8Shifted = 0x91400508; // add x8, x8, #1, lsl #12
constexpr std::uint32_t kLdrX8X19 = 0xf9400268;     // ldr x8, [x19]

constexpr std::uint32_t adrp(unsigned to, std::int32_t pages) {
    const auto value = static_cast<std::uint32_t>(pages);
    return 0x90000000 | (value & 3) << 29 | (value >> 2 & 0x7ffff) << 5 | to;
}
constexpr std::uint32_t adr(unsigned to, std::int32_t bytes) {
    return adrp(to, bytes) ^ 0x80000000;
}
constexpr std::uint32_t add(unsigned to, unsigned base, std::uint32_t offset) {
    return 0x91000000 | offset << 10 | base << 5 | to;
}
constexpr std::uint32_t ldr_w(unsigned to, unsigned base, std::uint32_t offset) {
    return 0xb9400000 | offset / 4 << 10 | base << 5 | to;
}
constexpr std::uint32_t str_w(unsigned from, unsigned base, std::uint32_t offset) {
    return ldr_w(from, base, offset) ^ 0x00400000;
}
constexpr std::uint32_t str_q(unsigned from, unsigned base, std::uint32_t offset) {
    return 0x3d800000 | offset / 16 << 10 | base << 5 | from;
}
constexpr std::uint32_t literal_x(unsigned to, std::int32_t bytes) {
    return 0x58000000 | (static_cast<std::uint32_t>(bytes / 4) & 0x7ffff) << 5 | to;
}
constexpr std::uint32_t b(std::int32_t bytes) {
    return 0x14000000 | (static_cast<std::uint32_t>(bytes / 4) & 0x3ffffff);
}
constexpr std::uint32_t bl(std::int32_t bytes) {
    return b(bytes) | 0x80000000;
}
constexpr std::uint32_t cbz_w0(std::int32_t bytes) {
    return 0x34000000 | (static_cast<std::uint32_t>(bytes / 4) & 0x7ffff) << 5;
}

constexpr Rva kBegin{0x1000};                    // of the function in the updated image and in the package
constexpr std::uint64_t kPackageBase = 0x100000; // the baseline is at 0
constexpr std::int32_t kToBaseline = -0x100;     // pages from the package to the same RVA of the baseline

/// Code in the package at kBegin; addresses below kPackageBase are the baseline's.
class FakeCode final : public PatchedCode {
  public:
    explicit FakeCode(Words words) : words_(std::move(words)) {}

    std::optional<std::uint32_t> word(Place place) const override {
        const std::uint32_t index = (place.rva - kBegin) / kWordSize;
        return place.in_package && place.rva >= kBegin && index < words_.size() ? std::optional(words_[index])
                                                                                : std::nullopt;
    }
    std::optional<Place> address(Place place) const override {
        const std::uint64_t to = address_of(*word(place), kPackageBase + place.rva.value);
        if (to >= 2 * kPackageBase)
            return std::nullopt;
        if (to >= kPackageBase)
            return Place{true, {static_cast<std::uint32_t>(to - kPackageBase)}};
        return Place{false, {static_cast<std::uint32_t>(to)}};
    }

  private:
    Words words_;
};

constexpr Rva kImport{0x4040};
constexpr Rva kGuardCheck{0x4050};

struct Options {
    Words veneers = {}; ///< behind the function
    std::map<std::uint32_t, Registers> entries = {{0, 0}};
    std::vector<program::JumpTable> tables = {};
    std::set<std::uint32_t> taken = {};
    std::set<std::uint32_t> jumped_to = {};
    bool has_handler = false;
    std::set<std::uint32_t> prologue = {}; ///< offsets
    std::set<std::uint32_t> caught = {};
    std::map<Rva, Callee> callees = {};
    bool takes_pages_as_they_are = false;
};

Result<Comparison> run(const Words& ours, Words theirs, const Options& options = {}) {
    program::Function function;
    function.range = {kBegin, static_cast<std::uint32_t>(ours.size() * kWordSize)};
    function.jump_tables = options.tables;
    theirs.insert(theirs.end(), options.veneers.begin(), options.veneers.end());
    const FakeCode patched(std::move(theirs));
    const ByteView code(reinterpret_cast<const std::uint8_t*>(ours.data()), ours.size() * kWordSize);
    const auto updated_word = [](Rva) { return std::optional(kNop); };
    const auto is_import = [](Rva at) { return at == kImport; };
    return compare({function,
                    code,
                    {true, kBegin},
                    patched,
                    updated_word,
                    is_import,
                    [&](Rva at, std::optional<Place>) {
                        const auto known = options.callees.find(at);
                        return known != options.callees.end() ? known->second : Callee{};
                    },
                    kGuardCheck,
                    [&] { return options.has_handler; },
                    [&](std::uint32_t offset) { return options.prologue.contains(offset); },
                    options.entries,
                    options.taken,
                    options.jumped_to,
                    options.caught,
                    options.takes_pages_as_they_are});
}

void expect_met(const Result<Comparison>& result, std::vector<std::tuple<std::uint32_t, Place, Use>> wanted) {
    ASSERT_TRUE(result) << result.error().message();
    std::vector<std::tuple<std::uint32_t, Place, Use>> found;
    for (const Meeting& meeting : result->meetings)
        found.emplace_back(meeting.updated.value, meeting.place, meeting.use);
    EXPECT_EQ(found, wanted);
}

void expect_refuted(const Result<Comparison>& result, std::uint32_t offset) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), Code::proof_failed) << result.error().message();
    EXPECT_NE(result.error().message().find("0x" +
                                            [&] {
                                                char text[16];
                                                std::snprintf(text, sizeof(text), "%x", kBegin.value + offset);
                                                return std::string(text);
                                            }()),
              std::string::npos)
        << result.error().message();
}

Place baseline(std::uint32_t rva) {
    return {false, {rva}};
}
Place in_package(std::uint32_t rva) {
    return {true, {rva}};
}

TEST(Lockstep, PairsWhatAddsLoadsAndStoresMakeOfAPage) {
    const Words ours{adrp(8, 3), add(9, 8, 0x18), ldr_w(0, 8, 0x20), str_w(0, 8, 0x24), kRet};
    expect_met(run(ours, {adrp(8, kToBaseline + 5), add(9, 8, 0x28), ldr_w(0, 8, 0x30), str_w(0, 8, 0x24), kRet}),
               {{0x4018, baseline(0x6028), Use::address},
                {0x4020, baseline(0x6030), Use::read},
                {0x4024, baseline(0x6024), Use::write}});
}

TEST(Lockstep, RefutesEveryBitOfCodeThatMakesNoAddress) {
    const Words ours{adrp(8, 3), add(9, 8, 0x18), kMovX8One, cbz_w0(8), kNop, kRet};
    for (std::uint32_t i = 0; i < ours.size(); ++i)
        for (unsigned bit = 0; bit < 32; ++bit) {
            Words theirs = ours;
            theirs[i] ^= 1u << bit;
            const auto result = run(ours, theirs);
            if (!result)
                continue;
            // An address that changes is met, for the caller to judge.
            ASSERT_EQ(result->meetings.size(), 1u) << i << " " << bit;
            EXPECT_NE(result->meetings[0].place, in_package(0x4018)) << i << " " << bit;
        }
}

TEST(Lockstep, RefutesOffsetsThatDifferWhereTheBaseIsNoPage) {
    expect_refuted(run({kLdrX8X19, ldr_w(0, 8, 0x20), kRet}, {kLdrX8X19, ldr_w(0, 8, 0x24), kRet}), 4);
}

TEST(Lockstep, TakesTheResultOfAnAddForTheSame) {
    const Words ours{adrp(8, 3), add(8, 8, 0x18), ldr_w(0, 8, 0x20), kStpX8X9, kRet};
    expect_met(run(ours, ours), {{0x4018, in_package(0x4018), Use::address}});
    Words theirs = ours;
    theirs[2] = ldr_w(0, 8, 0x24);
    expect_refuted(run(ours, theirs), 8);
}

TEST(Lockstep, RefutesAPageThatIsUsedInAnyOtherWay) {
    for (const std::uint32_t user :
         {kLdrX0X8X1, kStpX8X9, kAddX8Shifted, str_w(8, 8, 0x20), 0xd1000508u /* sub */,
          0xcb080120u /* sub x0, x9, x8 */, 0x35000008u /* cbnz w8 */, 0x9e670100u /* fmov d0, x8 */,
          0x4e081d00u /* mov v0.d[0], x8 */, 0xf8288120u /* swp x8, x0, [x9] */}) {
        const Words code{adrp(8, 3), user, kRet};
        expect_refuted(run(code, code), 4);
    }
}

TEST(Lockstep, FollowsAPageThatIsCopied) {
    const Words ours{adrp(8, 3), kMovX9X8, kMovX8One, add(0, 9, 0x18), kRet};
    expect_met(run(ours, {adrp(8, kToBaseline + 3), kMovX9X8, kMovX8One, add(0, 9, 0x20), kRet}),
               {{0x4018, baseline(0x4020), Use::address}});
}

TEST(Lockstep, ForgetsAPageThatIsOverwritten) {
    const Words ours{adrp(8, 3), kMovX8One, add(0, 8, 0x18), kRet};
    expect_met(run(ours, ours), {});
    Words theirs = ours;
    theirs[2] = add(0, 8, 0x20);
    expect_refuted(run(ours, theirs), 8);
}

TEST(Lockstep, RefutesAPageAfterACallThatMayClobberIt) {
    const Words code{adrp(8, 3), bl(0x1000), add(0, 8, 0x18), kRet};
    expect_refuted(run(code, code), 8);
}

TEST(Lockstep, KeepsAPageInARegisterThatTheCalleeDoesNotTouch) {
    //   adrp x1, A; bl; add x0, x1, #lo; ret
    const Words code{adrp(1, 3), bl(0x1000), add(0, 1, 0x18), kRet};
    EXPECT_FALSE(run(code, code, {.callees = {{Rva{0x2004}, {.kept = 1u << 2}}}}));
    expect_met(run(code, code, {.callees = {{Rva{0x2004}, {.kept = 1u << 1}}}}),
               {{0x2004, in_package(0x2004), Use::call}, {0x4018, in_package(0x4018), Use::address}});
}

TEST(Lockstep, ANumberThatIsReadBehindACallIsItsResult) {
    //   adrp x0, A; blr x9; the use of x0; ret
    constexpr std::uint32_t kMovW8W0 = 0x2a0003e8;
    const Words code{adrp(0, 3), kBlrX9, kMovW8W0, kRet};
    EXPECT_TRUE(run(code, code));
    const Words other{adrp(2, 3), kBlrX9, 0x2a0203e8 /* mov w8, w2 */, kRet};
    expect_refuted(run(other, other), 8);
    // It may be the page still, where the callee keeps it: whoever goes on from it may rely on that.
    for (const std::uint32_t use : {add(8, 0, 0x18), ldr_w(8, 0, 0x18), 0xf8616808u /* ldr x8, [x0, x1] */,
                                    0xaa0003e8u /* mov x8, x0 */}) {
        const Words page{adrp(0, 3), kBlrX9, use, kRet};
        expect_refuted(run(page, page), 8);
    }
}

TEST(Lockstep, NothingRunsBehindACallOfWhatNeverReturns) {
    //   cbz w0, 1f; adrp x21, A; bl; 1: mov x1, x21; ret
    const Words code{cbz_w0(12), adrp(21, 3), bl(0x1000), 0xaa1503e1, kRet};
    expect_refuted(run(code, code), 12);
    EXPECT_TRUE(run(code, code, {.callees = {{Rva{0x2008}, {.returns = false}}}}));
}

TEST(Lockstep, PagesThatAreTheBaselinesMayGoAnywhereIfTheyAreToBeTheSame) {
    //   adrp x0, A; str x0, [sp]; ret
    constexpr std::uint32_t kStoreX0 = 0xf90003e0;
    const Words ours{adrp(0, 3), kStoreX0, kRet};
    const Words theirs{adrp(0, 3 + kToBaseline), kStoreX0, kRet};
    expect_refuted(run(ours, theirs), 4);
    const auto found = run(ours, theirs, {.takes_pages_as_they_are = true});
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_EQ(found->pages, std::set<Rva>{Rva{0x4000}});
    const Words elsewhere{adrp(0, 4 + kToBaseline), kStoreX0, kRet};
    expect_refuted(run(ours, elsewhere, {.takes_pages_as_they_are = true}), 4);
}

TEST(CalleeOf, KeepsWhatAShortFunctionWithoutBranchesDoesNotName) {
    const auto callee = [](const Words& words) {
        return callee_of(ByteView(reinterpret_cast<const std::uint8_t*>(words.data()), words.size() * kWordSize),
                         kBegin);
    };
    //   sub sp, sp, #16; adrp x17, A; ldr x17, [x17]; sub x17, sp, x17; str x17, [sp, #8]; ret
    const Callee cookie = callee({0xd10043ff, adrp(17, 3), 0xf9400231, 0xcb3163f1, 0xf90007f1, kRet});
    EXPECT_TRUE(cookie.returns);
    EXPECT_EQ(cookie.kept & 0x40030002, 2u); // x1, and not what stubs use
    EXPECT_EQ(callee({adrp(8, 3), 0xaa0803e0, kRet}).kept & 0x103, 2u);
    EXPECT_EQ(callee({bl(0x1000), kRet}).kept, 0u);
    EXPECT_EQ(callee({cbz_w0(8), kNop, kRet}).kept, 0u);
    EXPECT_FALSE(callee({kNop, bl(0x1000)}).returns);
    EXPECT_FALSE(callee({kNop, b(-4)}).returns);
    EXPECT_TRUE(callee({kNop, b(0x1000)}).returns);
    EXPECT_TRUE(callee({bl(0x1000), kNop}).returns);
    EXPECT_TRUE(callee({kNop, 0xd61f0200 /* br x16 */}).returns);
}

TEST(Lockstep, KeepsAPageInARegisterThatCallsPreserve) {
    // Restored before the return.
    const Words good{adrp(19, 3), bl(0x1000), add(0, 19, 0x18), 0xf94007f3 /* ldr x19, [sp, #8] */, kRet};
    expect_met(run(good, good), {{0x2004, in_package(0x2004), Use::call}, {0x4018, in_package(0x4018), Use::address}});
}

TEST(Lockstep, TheGuardsCheckKeepsRegistersThatOtherCallsDoNot) {
    //   adrp x1, A; load x9, [x1, #...]; blr x9; add x0, x1, #0x18
    constexpr std::uint32_t kGuard = 0xf9402829; // ldr x9, [x1, #0x50]
    constexpr std::uint32_t kOther = 0xf9402c29; // ldr x9, [x1, #0x58]
    const auto slot = [](std::uint32_t at) { return std::tuple(at, in_package(at), Use::read); };
    const Words good{adrp(1, 3), kGuard, kBlrX9, add(0, 1, 0x18), kRet};
    expect_met(run(good, good), {slot(0x4050), {0x4018, in_package(0x4018), Use::address}});
    const Words other{adrp(1, 3), kOther, kBlrX9, add(0, 1, 0x18), kRet};
    expect_refuted(run(other, other), 12);
    // Not x9 itself, nor any other beyond x8 but x15.
    const Words lost{adrp(1, 3), adrp(10, 3), kGuard, kBlrX9, add(0, 10, 0x18), kRet};
    expect_refuted(run(lost, lost), 16);
    const Words twice{adrp(1, 3), kGuard, kBlrX9, kBlrX9, add(0, 1, 0x18), kRet};
    expect_refuted(run(twice, twice), 16);
    // A register that calls preserve goes on holding the check's address.
    constexpr std::uint32_t kGuardX19 = 0xf9402833; // ldr x19, [x1, #0x50]
    constexpr std::uint32_t kBlrX19 = 0xd63f0260;
    const Words again{adrp(1, 3), kGuardX19, kBlrX19, kBlrX19, add(0, 1, 0x18), kRet};
    expect_met(run(again, again), {slot(0x4050), {0x4018, in_package(0x4018), Use::address}});
}

TEST(Lockstep, RefutesAReturnWithAPageInARegisterThatMustBeKept) {
    const Words code{adrp(19, 3), kRet};
    expect_refuted(run(code, code), 4);
}

TEST(Lockstep, RefutesAPageThatIsNotTheSameOnAllPaths) {
    //   cbz w0, 1f; adrp x8, A; b 2f; 1: adrp x8, B; 2: add x0, x8, #lo; ret
    const Words same{cbz_w0(12), adrp(8, 3), b(8), adrp(8, 3), add(0, 8, 0x18), kRet};
    expect_met(run(same, same), {{0x4018, in_package(0x4018), Use::address}});
    Words other = same;
    other[3] = adrp(8, 4);
    expect_refuted(run(other, other), 16);
    expect_refuted(run(same, other), 16);
}

TEST(Lockstep, ACallThatDoesNotReturnTaintsNoOtherPath) {
    //   adrp x8, A; cbz w0, 1f; bl abort; 1: add x0, x8, #lo; ret
    const Words code{adrp(8, 3), cbz_w0(8), bl(0x1000), add(0, 8, 0x18), kRet};
    expect_met(run(code, code), {{0x2008, in_package(0x2008), Use::call}, {0x4018, in_package(0x4018), Use::address}});
}

TEST(Lockstep, ToldThatARegisterDiffersOnEntryRefutesItsUse) {
    const Words code{0xaa0903e0 /* mov x0, x9 */, kRet};
    EXPECT_TRUE(run(code, code));
    expect_refuted(run(code, code, {.entries = {{0, 1u << 9}}}), 0);
    const Words overwritten{0xd2800029 /* mov x9, #1 */, 0xaa0903e0, kRet};
    EXPECT_TRUE(run(overwritten, overwritten, {.entries = {{0, 1u << 9}}}));
}

TEST(Lockstep, TellsWhichRegistersDifferWhereItLeaves) {
    const Words code{adrp(8, 3), bl(0x1000), adrp(9, 3), b(0x2000)};
    const auto result = run(code, code);
    ASSERT_TRUE(result) << result.error().message();
    ASSERT_EQ(result->meetings.size(), 2u);
    EXPECT_EQ(result->meetings[0].different, 1u << 8);
    EXPECT_EQ(result->meetings[1].different, 1u << 8 | 1u << 9);
}

TEST(Lockstep, APageIsNoArgumentWhereTheCallingConventionSaysWhoReadsWhat) {
    const Words call{adrp(0, 3), kBlrX9, kRet};
    expect_met(run(call, call), {});
    const Words tail{adrp(0, 3), 0xd61f0120 /* br x9 */};
    expect_met(run(tail, tail), {});
    const Words result{adrp(0, 3), kRet};
    expect_met(run(result, result), {});
    // But one that must be kept is.
    const Words kept{adrp(19, 3), 0xd61f0120};
    expect_refuted(run(kept, kept), 4);
    // And what a register holds that is called is the same.
    const Words called{adrp(9, 3), kBlrX9, kRet};
    expect_refuted(run(called, called), 4);
}

TEST(Lockstep, ArgumentRegistersMayBeStoredAsTheCallerHasLeftThem) {
    const Words store{0xa90207e0 /* stp x0, x1, [sp, #32] */, 0xf9000fa7 /* str x7, [x29, #24] */, kRet};
    expect_met(run(store, store, {.entries = {{0, 0x82}}}), {});
    const Words elsewhere{0xa9020660 /* stp x0, x1, [x19, #32] */, kRet};
    expect_refuted(run(elsewhere, elsewhere, {.entries = {{0, 1u << 1}}}), 0);
    const Words no_argument{0xa90223e0 /* stp x0, x8, [sp, #32] */, kRet};
    expect_refuted(run(no_argument, no_argument, {.entries = {{0, 1u << 8}}}), 0);
    const Words page{adrp(1, 3), 0xa90207e0, kRet};
    expect_refuted(run(page, page), 4);
    const Words middle{kNop, kRet, 0xa90207e0, kRet};
    expect_refuted(run(middle, middle, {.entries = {{0, 0}, {8, 1u << 1}}}), 8);
}

TEST(Lockstep, WhatACallLeavesIsNotReadWhereAnotherWayHasSomethingElse) {
    //   adrp x8, A; cbz w0, 1f; mov x8, #1; b 2f; 1: bl throw; 2: mov x0, x8; ret
    constexpr std::uint32_t kMovX0X8 = 0xaa0803e0;
    const Words code{adrp(8, 3), cbz_w0(12), kMovX8One, b(8), bl(0x1000), kMovX0X8, kRet};
    expect_met(run(code, code), {{0x2010, in_package(0x2010), Use::call}});
    // Without a call in between it is.
    Words read = code;
    read[4] = kNop;
    expect_refuted(run(read, read), 20);
}

TEST(Lockstep, AConditionSaysWhatWasSelected) {
    //   csel x10, x9, x10, hi; b.hi 1f; mov x10, #1; 1: mov x0, x10; ret
    constexpr std::uint32_t kCselHi = 0x9a8a812a;
    constexpr std::uint32_t kBranchHi = 0x54000048;
    constexpr std::uint32_t kBranchLs = 0x54000049;
    constexpr std::uint32_t kMovX10One = 0xd280002a;
    constexpr std::uint32_t kMovX0X10 = 0xaa0a03e0;
    const Options x10_differs{.entries = {{0, 1u << 10}}};
    const Words code{kCselHi, kBranchHi, kMovX10One, kMovX0X10, kRet};
    expect_met(run(code, code, x10_differs), {});
    const Words opposite{kCselHi, kBranchLs, kMovX0X10, kMovX10One, kRet};
    expect_met(run(opposite, opposite, x10_differs), {});
    const Words wrong{kCselHi, kBranchLs, kMovX10One, kMovX0X10, kRet};
    expect_refuted(run(wrong, wrong, x10_differs), 12);
    // Another condition may hold in between, or on another way.
    const Words later{kCselHi, 0xeb01001f /* cmp x0, x1 */, kBranchHi, kMovX10One, kMovX0X10, kRet};
    expect_refuted(run(later, later, x10_differs), 16);
    const Words joined{kCselHi, kBranchHi, kMovX10One, kMovX0X10, kRet, b(-16)};
    expect_refuted(run(joined, joined, {.entries = {{0, 1u << 10}, {20, 0}}}), 12);
}

TEST(Lockstep, FillInFrontOfCodeThatIsReachedIsNotEnteredInOtherWays) {
    //   adrp x8, A; b 2f; nop; 2: add x0, x8, #lo; ret
    const Words code{adrp(8, 3), b(8), kNop, add(0, 8, 0x18), kRet};
    expect_met(run(code, code), {{0x4018, in_package(0x4018), Use::address}});
    Words other = code;
    other[2] = kMovX8One;
    expect_refuted(run(code, other), 8);
}

TEST(Lockstep, TrapsSayNothingOfRegisters) {
    constexpr std::uint32_t kSystemCall = 0xd4000061; // svc #3
    for (const Words& code :
         {Words{adrp(8, 3), kRet, kSystemCall, 0 /* udf */}, Words{adrp(8, 3), kRet, kSystemCall},
          Words{adrp(0, 3), kRet, 0xd4200020 /* brk #1 */}, Words{adrp(0, 3), 0xd43e0000 /* brk #0xf000 */, kRet}})
        expect_met(run(code, code), {});
    const Words goes_on{adrp(8, 3), kRet, kSystemCall, kRet};
    expect_refuted(run(goes_on, goes_on), 8);
    const Words fast_fail{adrp(0, 3), 0xd43e0060 /* brk #0xf003 */};
    expect_refuted(run(fast_fail, fast_fail), 4);
}

TEST(Lockstep, ATrapInFrontOfLiteralsIsNotPassed) {
    //   ldr x0, 1f; b.hi: ret; bl abort; brk #0xf000; nop; 1: .quad
    const Words code{literal_x(0, 20), kRet, bl(0x1000), 0xd43e0000, kNop, 0x66666667, 0x66666666};
    const auto result = run(code, code);
    ASSERT_TRUE(result) << result.error().message();
    EXPECT_EQ(result->literals, (std::map<std::uint32_t, std::uint32_t>{{20, 8}}));
}

TEST(Lockstep, CodeThatNoPathLeadsToMayNotGoOnFromPagesOfOtherCode) {
    const Words code{adrp(8, 3), add(0, 8, 0x18), kRet, add(0, 8, 0x20), kRet};
    expect_refuted(run(code, code), 12);
    // Branches of other functions bring along what holds there, in `entries`.
    expect_met(run(code, code, {.jumped_to = {12}}), {{0x4018, in_package(0x4018), Use::address}});
    expect_refuted(run(code, code, {.entries = {{0, 0}, {12, 1u << 8}}, .jumped_to = {12}}), 12);
}

TEST(Lockstep, RefutesABranchWithinTheFunctionThatLeadsElsewhere) {
    const Words ours{cbz_w0(8), kNop, kRet};
    Words theirs = ours;
    theirs[0] = cbz_w0(4);
    expect_refuted(run(ours, theirs), 0);
}

TEST(Lockstep, DataThatALiteralLoadsIsNoCode) {
    const Words ours{literal_x(0, 8), kRet, adrp(8, 3), 0};
    const auto result = run(ours, ours);
    ASSERT_TRUE(result) << result.error().message();
    EXPECT_EQ(result->literals, (std::map<std::uint32_t, std::uint32_t>{{8, 8}}));
    EXPECT_TRUE(result->meetings.empty());
}

TEST(Lockstep, RefutesCodeThatIsLiteralToo) {
    const Words ours{literal_x(0, 4), kMovX8One, kRet};
    expect_refuted(run(ours, ours), 4);
}

TEST(Lockstep, FollowsAJumpThroughATable) {
    //   adrp x8, A; br x9 -> add x0, x8, #lo; ret
    const Words code{adrp(8, 3), 0xd61f0120, add(0, 8, 0x18), kRet};
    program::JumpTable table;
    table.at = Rva{0x8000};
    table.base = kBegin;
    table.targets = {kBegin + 8};
    expect_met(run(code, code, {.tables = {table}}), {{0x4018, in_package(0x4018), Use::address}});
    expect_refuted(run(code, code), 8);
}

TEST(Lockstep, AJumpLeadsOnlyWhereTheTableOfItsBaseDoes) {
    // Two switches: the first has x8 as a page where its cases begin, the second has not.
    //   adrp x8, A; adr x10, 1f; add x10, x10, x11, lsl #2; br x10; 1: add x0, x8, #lo; mov x8, #1; adr x10, 2f;
    //   add x10, x10, x11, lsl #2; br x10; 2: ret
    constexpr std::uint32_t kAddX10 = 0x8b0b094a;
    constexpr std::uint32_t kBrX10 = 0xd61f0140;
    const Words code{adrp(8, 3), adr(10, 12), kAddX10, kBrX10, add(0, 8, 0x18),
                     kMovX8One,  adr(10, 12), kAddX10, kBrX10, kRet};
    program::JumpTable first;
    first.at = Rva{0x8000};
    first.base = kBegin + 16;
    first.targets = {kBegin + 16};
    program::JumpTable second = first;
    second.at = Rva{0x8010};
    second.base = second.targets[0] = kBegin + 36;
    expect_met(run(code, code, {.tables = {first, second}}), {{0x1010, in_package(0x1010), Use::address},
                                                              {0x4018, in_package(0x4018), Use::address},
                                                              {0x1024, in_package(0x1024), Use::address}});
    // Without the sum nobody knows which table is meant.
    Words unknown = code;
    unknown[7] = 0x8b0b018a; // add x10, x12, x11
    expect_refuted(run(unknown, unknown, {.tables = {first, second}}), 16);
}

TEST(Lockstep, AJumpByRegisterMayLeadWhereverAPointerInDataDoes) {
    //   adrp x8, A; br x9; label: add x0, x8, #lo; ret
    const Words code{adrp(8, 3), 0xd61f0120, add(0, 8, 0x18), kRet};
    expect_met(run(code, code, {.taken = {8}}), {{0x4018, in_package(0x4018), Use::address}});
    const Words no_jump{adrp(8, 3), kRet, add(0, 8, 0x18), kRet};
    expect_refuted(run(no_jump, no_jump, {.taken = {8}}), 8);
}

TEST(Lockstep, WhatTheUnwinderPassesOnIsTheSameWhereExceptionsGoOn) {
    //   adrp x0, A; ret; landing: mov x19, x0; ldr x19, [sp, #8]; ret
    const Words code{adrp(0, 3), kRet, 0xaa0003f3, 0xf94007f3, kRet};
    expect_met(run(code, code, {.has_handler = true}), {});
    expect_refuted(run(code, code), 8);
    // What a register holds where something can be thrown, it may hold there.
    constexpr std::uint32_t kMovX19X20 = 0xaa1403f3;
    constexpr std::uint32_t kRestoreX20 = 0xf94007f4; // ldr x20, [sp, #8]
    constexpr std::uint32_t kRestoreX19 = 0xf94007f3;
    const Words held{adrp(20, 3), bl(0x1000), kRestoreX20, kRet, kMovX19X20, kRestoreX19, kRet};
    expect_refuted(run(held, held, {.has_handler = true}), 16);
    const Words made{adrp(20, 3), add(20, 20, 0x18), bl(0x1000), kRestoreX20, kRet, kMovX19X20, kRestoreX19, kRet};
    EXPECT_TRUE(run(made, made, {.has_handler = true}));
    expect_refuted(run(made, made), 20);
}

TEST(Lockstep, ExceptionsMayGoOnWhereAPathLeadsToo) {
    //   adrp x20, A; bl; ldr x20, [sp, #8]; landing: mov x19, x20; ldr x19, [sp, #8]; ret
    const Words code{adrp(20, 3), bl(0x1000), 0xf94007f4, 0xaa1403f3, 0xf94007f3, kRet};
    EXPECT_TRUE(run(code, code, {.has_handler = true}));
    expect_refuted(run(code, code, {.has_handler = true, .caught = {12}}), 12);
    const auto found = run(code, code, {.has_handler = true});
    ASSERT_TRUE(found);
    EXPECT_EQ(found->different_when_thrown, 1u << 20);
}

TEST(Lockstep, APrologueMaySaveWhatMustBeKeptWhateverThatIs) {
    //   adrp x21, A; bl; ldr x21, [sp, #16]; ret; funclet: the store; ldr x21, [sp, #16]; ret
    constexpr std::uint32_t kRestore = 0xf9400bf5;
    for (const std::uint32_t store : {0xf9000bf5u,    // str x21, [sp, #16]
                                      0xf81f0ff5u,    // str x21, [sp, #-16]!
                                      0xa9015bf5u,    // stp x21, x22, [sp, #16]
                                      0xa9be57f4u}) { // stp x20, x21, [sp, #-32]!
        const Words code{adrp(21, 3), bl(0x1000), kRestore, kRet, store, kRestore, kRet};
        EXPECT_TRUE(run(code, code, {.has_handler = true, .prologue = {16}}));
        expect_refuted(run(code, code, {.has_handler = true}), 16);
    }
    for (const std::uint32_t other : {0xf9000815u,    // str x21, [x0, #16]
                                      0xb90013f5u,    // str w21, [sp, #16]
                                      0xaa1503e0u}) { // mov x0, x21
        const Words code{adrp(21, 3), bl(0x1000), kRestore, kRet, other, kRestore, kRet};
        expect_refuted(run(code, code, {.has_handler = true, .prologue = {16}}), 16);
    }
    // What a call may change is not saved for anybody.
    constexpr std::uint32_t kStoreX8 = 0xf9000be8; // str x8, [sp, #16]
    const Words left{adrp(8, 3), kStoreX8, kRet};
    expect_refuted(run(left, left, {.prologue = {4}}), 4);
}

TEST(Lockstep, AJumpToAnImportLeavesTheFunction) {
    //   adrp x16, A; label: ldr x16, [x16, #lo]; br x16      pointers of lld to an import lead there
    constexpr std::uint32_t kLoad = 0xf9402210;  // ldr x16, [x16, #0x40]
    constexpr std::uint32_t kOther = 0xf9402610; // ldr x16, [x16, #0x48]
    constexpr std::uint32_t kBrX16 = 0xd61f0200;
    const Words code{adrp(16, 3), kLoad, kBrX16};
    expect_met(run(code, code, {.taken = {4}}), {{0x4040, in_package(0x4040), Use::read}});
    // Any other pointer may be that of the label.
    const Words other{adrp(16, 3), kOther, kBrX16};
    expect_refuted(run(other, other, {.taken = {4}}), 4);
    // What must be kept is.
    const Words kept{adrp(19, 3), adrp(16, 3), kLoad, kBrX16};
    expect_refuted(run(kept, kept), 12);
}

// Veneers. The function is {adrp x8, A; user; ret}, its veneer lies at +12.
class LockstepVeneer : public testing::Test {
  protected:
    static Result<Comparison> through(std::uint32_t user, const Words& veneer, std::uint32_t behind = kRet) {
        return run({adrp(8, 3), user, behind}, {adrp(8, kToBaseline + 3), b(8), behind}, {.veneers = veneer});
    }
};

TEST_F(LockstepVeneer, AnAddMayMakeItsAddressAnew) {
    expect_met(through(add(9, 8, 0x18), {adrp(9, 7), add(9, 9, 0x30), b(-12)}),
               {{0x4018, in_package(0x8030), Use::address}});
}

TEST_F(LockstepVeneer, ALoadMayUseItsOwnRegister) {
    expect_met(through(ldr_w(9, 8, 0x18), {adrp(9, 7), ldr_w(9, 9, 0x30), b(-12)}),
               {{0x4018, in_package(0x8030), Use::read}});
    expect_met(through(ldr_w(8, 8, 0x18), {adrp(8, 7), ldr_w(8, 8, 0x30), b(-12)}),
               {{0x4018, in_package(0x8030), Use::read}});
}

TEST_F(LockstepVeneer, AStoreMayUseAScratchRegisterThatIsDead) {
    expect_met(through(str_w(0, 8, 0x18), {adrp(16, 7), str_w(0, 16, 0x30), b(-12)}),
               {{0x4018, in_package(0x8030), Use::write}});
    expect_met(through(str_q(0, 8, 0x10), {adrp(17, 7), str_q(0, 17, 0x30), b(-12)}),
               {{0x4010, in_package(0x8030), Use::write}});
}

TEST_F(LockstepVeneer, MustLeadBackBehindItsInstruction) {
    expect_refuted(through(add(9, 8, 0x18), {adrp(9, 7), add(9, 9, 0x30), b(-8)}), 4);
    expect_refuted(through(add(9, 8, 0x18), {adrp(9, 7), add(9, 9, 0x30), b(-16)}), 4);
    expect_refuted(through(add(9, 8, 0x18), {adrp(9, 7), add(9, 9, 0x30), kRet}), 4);
}

TEST_F(LockstepVeneer, MustDoWhatItsInstructionDoes) {
    // Another register, no access, another access, another width, an access more.
    expect_refuted(through(add(9, 8, 0x18), {adrp(10, 7), add(10, 10, 0x30), b(-12)}), 4);
    expect_refuted(through(ldr_w(9, 8, 0x18), {adrp(9, 7), add(9, 9, 0x30), b(-12)}), 4);
    expect_refuted(through(ldr_w(9, 8, 0x18), {adrp(9, 7), str_w(9, 9, 0x30), b(-12)}), 4);
    expect_refuted(through(ldr_w(9, 8, 0x18), {adrp(9, 7), ldr_w(9, 9, 0x30) | 1u << 30, b(-12)}), 4);
    expect_refuted(through(ldr_w(9, 8, 0x18), {adrp(10, 7), ldr_w(9, 10, 0x30), str_w(9, 10, 0x30), b(-16)}), 4);
    expect_refuted(through(str_w(0, 8, 0x18), {adrp(0, 7), str_w(0, 0, 0x30), b(-12)}), 4);
    expect_refuted(through(add(9, 8, 0x18), {kMovX8One, adrp(9, 7), add(9, 9, 0x30), b(-16)}), 4);
}

TEST_F(LockstepVeneer, MayNotClobberARegisterThatIsRead) {
    expect_refuted(through(str_w(0, 8, 0x18), {adrp(16, 7), str_w(0, 16, 0x30), b(-12)}, kMovX0X16), 8);
    expect_refuted(through(str_w(0, 8, 0x18), {adrp(19, 7), str_w(0, 19, 0x30), b(-12)}), 8);
    expect_refuted(through(str_w(0, 8, 0x18), {adrp(0, 7), add(0, 0, 0x10), b(-12)}), 4);
}

TEST_F(LockstepVeneer, StandsForNothingElse) {
    expect_refuted(through(kMovX8One, {kMovX8One, b(-8)}), 4);
    expect_refuted(through(bl(0x1000), {bl(0x1000), b(-8)}), 4);
}

TEST_F(LockstepVeneer, LiesInThePackageBehindTheFunction) {
    const Words ours{adrp(8, 3), add(9, 8, 0x18), kRet, add(9, 8, 0x18), kRet};
    EXPECT_FALSE(run(ours, {adrp(8, 3), b(8), kRet, add(9, 8, 0x18), b(-8)}));
}

TEST_F(LockstepVeneer, ServesOneInstruction) {
    const auto result = through(add(9, 8, 0x18), {adrp(9, 7), add(9, 9, 0x30), b(-12)});
    ASSERT_TRUE(result) << result.error().message();
    ASSERT_EQ(result->veneers.size(), 1u);
    EXPECT_EQ(result->veneers.begin()->first, kBegin + 12);
    EXPECT_EQ(result->veneers.begin()->second.size, 12u);
    EXPECT_EQ(result->veneers.begin()->second.instruction, 4u);
}

TEST_F(LockstepVeneer, LeadsAConditionalBranchFurther) {
    const Words ours{cbz_w0(0x4000), kRet};
    const Words theirs{cbz_w0(8), kRet};
    expect_met(run(ours, theirs, {.veneers = {b(0x3000)}}), {{0x5000, in_package(0x4008), Use::jump}});
}

TEST_F(LockstepVeneer, StandsForALiteralThatLiesTooFarAway) {
    const Words ours{literal_x(9, 0x4000), kRet};
    expect_met(
        run(ours, {b(8), kRet}, {.veneers = {adrp(9, 7), add(9, 9, 0x30), 0xf9400129 /* ldr x9, [x9] */, b(-16)}}),
        {{0x5000, in_package(0x8030), Use::read}});
}

TEST_F(LockstepVeneer, StandsForAnAdr) {
    const Words ours{adr(9, 0x4000), kRet};
    expect_met(run(ours, {b(8), kRet}, {.veneers = {adrp(9, 7), add(9, 9, 0x30), b(-12)}}),
               {{0x5000, in_package(0x8030), Use::address}});
}

} // namespace
} // namespace suture::prove::arm64
