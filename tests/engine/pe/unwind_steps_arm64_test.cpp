#include "engine/pe/packed_unwind_arm64.hpp"
#include "engine/pe/unwind_steps_arm64.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace suture::pe {
namespace {

using Step = UnwindStepArm64;
using Kind = Step::Kind;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::uint8_t kNone = Step::kNone;
constexpr std::uint8_t kFp = 29, kLr = 30;

Step allocate(std::uint32_t size) {
    return {.kind = Kind::restore, .size = size};
}
Step save(int first, int second, std::uint32_t offset, std::uint32_t size = 0) {
    return {Kind::restore, {static_cast<std::uint8_t>(first), static_cast<std::uint8_t>(second)}, offset, size};
}
const Step kToFrame{.kind = Kind::to_frame};
const Step kSigned{.kind = Kind::signed_return};
const Step kNothing{};

UnwindInfoArm64 info_of(Bytes codes, std::uint32_t size = 0x100) {
    UnwindInfoArm64 info;
    info.function_size = size;
    info.codes = std::move(codes);
    info.fragment = info.codes[0] == 0xe5;
    return info;
}

/// All steps, from behind the prologue.
std::optional<std::vector<Step>> steps(Bytes codes) {
    codes.push_back(0xe4);
    return unwind_steps_arm64(info_of(std::move(codes)), 0x80);
}

TEST(UnwindStepsArm64, UndoEveryCode) {
    struct Case {
        Bytes code;
        Step step;
        const char* text; ///< as llvm-readobj has the instruction
    };
    for (const auto& [code, step, text] : std::initializer_list<Case>{
             {{0x03}, allocate(48), "sub sp, #48"},
             {{0x1f}, allocate(496), "sub sp, #496"},
             {{0x28}, save(19, 20, 0, 64), "stp x19, x20, [sp, #-64]!"},
             {{0x46}, save(kFp, kLr, 48), "stp x29, x30, [sp, #48]"},
             {{0x85}, save(kFp, kLr, 0, 48), "stp x29, x30, [sp, #-48]!"},
             {{0xc0, 0x80}, allocate(2048), "sub sp, #2048"},
             {{0xc7, 0xff}, allocate(0x7ff0), "sub sp, #32752"},
             {{0xc9, 0x02}, save(23, 24, 16), "stp x23, x24, [sp, #16]"},
             {{0xca, 0x43}, save(28, kFp, 24), "stp x28, x29, [sp, #24]"},
             {{0xcc, 0x8b}, save(21, 22, 0, 96), "stp x21, x22, [sp, #-96]!"},
             {{0xd2, 0x04}, save(27, kNone, 32), "str x27, [sp, #32]"},
             {{0xd2, 0xc1}, save(kLr, kNone, 8), "str x30, [sp, #8]"},
             {{0xd4, 0x01}, save(19, kNone, 0, 16), "str x19, [sp, #-16]!"},
             {{0xd5, 0x63}, save(kLr, kNone, 0, 32), "str x30, [sp, #-32]!"},
             {{0xd6, 0xc5}, save(25, kLr, 40), "stp x25, lr, [sp, #40]"},
             {{0xd7, 0x01}, save(27, kLr, 8), "stp x27, lr, [sp, #8]"},
             {{0xd8, 0x07}, allocate(0), "stp d8, d9, [sp, #56]"},
             {{0xda, 0x81}, allocate(16), "stp d10, d11, [sp, #-16]!"},
             {{0xdd, 0x09}, allocate(0), "str d12, [sp, #72]"},
             {{0xde, 0x03}, allocate(32), "str d8, [sp, #-32]!"},
             {{0xe0, 0x00, 0x10, 0x00}, allocate(65536), "sub sp, #65536"},
             {{0xe1}, kToFrame, "mov fp, sp"},
             {{0xe2, 0x06}, {.kind = Kind::to_frame, .offset = 48}, "add fp, sp, #48"},
             {{0xe3}, kNothing, "nop"},
             {{0xe7, 0x07, 0x02}, save(7, kNone, 16), "str x7, [sp, #16]"},
             {{0xe7, 0x3c, 0x00}, save(28, kNone, 0, 16), "str x28, [sp, #-16]!"},
             {{0xe7, 0x45, 0x02}, save(5, 6, 32), "stp x5, x6, [sp, #32]"},
             {{0xe7, 0x7d, 0x09}, save(kFp, kLr, 0, 160), "stp x29, x30, [sp, #-160]!"},
             {{0xe7, 0x03, 0x46}, allocate(0), "str d3, [sp, #48]"},
             {{0xe7, 0x6e, 0x44}, allocate(80), "stp d14, d15, [sp, #-80]!"},
             {{0xe7, 0x09, 0x85}, allocate(0), "str q9, [sp, #80]"},
             {{0xe7, 0x28, 0x80}, allocate(16), "str q8, [sp, #-16]!"},
             {{0xe9}, {.kind = Kind::machine_frame}, "machine frame"},
             {{0xea}, {.kind = Kind::context}, "context"},
             {{0xec}, {.kind = Kind::interrupted}, "clear unwound to call"},
             {{0xfc}, kSigned, "pacibsp"},
         }) {
        const auto found = steps(code);
        ASSERT_TRUE(found) << text;
        EXPECT_THAT(*found, ElementsAre(step)) << text;
    }
}

TEST(UnwindStepsArm64, SayWhatTheyCannotUndo) {
    for (const Bytes& code :
         {Bytes{0xe8}, Bytes{0xeb}, Bytes{0xdf, 0x01}, // trap frame, Arm64EC, scalable vectors
          Bytes{0xca, 0xc0}, Bytes{0xcb, 0x00},        // stp x30, x31; stp x31, …
          Bytes{0xd3, 0x00}, Bytes{0xd5, 0x80},        // str x31
          Bytes{0xd7, 0x80},                           // stp x29, lr as a pair of its own
          Bytes{0xe7, 0x1f, 0x00}, Bytes{0xe7, 0x5e, 0x00}, Bytes{0xe7, 0x80, 0x00}, Bytes{0xe7, 0x00, 0xc0}}) {
        const auto found = steps(code);
        ASSERT_TRUE(found) << int{code[0]};
        EXPECT_THAT(*found, ElementsAre(Step{.kind = Kind::unknown})) << int{code[0]} << " " << int{code.back()};
    }
}

TEST(UnwindStepsArm64, FollowPairsThatSaveNextStandsFor) {
    // stp x19, x20, [sp, #-64]!; save_next twice
    EXPECT_THAT(*steps({0xe6, 0xe6, 0x28}), ElementsAre(save(23, 24, 32), save(21, 22, 16), save(19, 20, 0, 64)));
    // stp x21, x22, [sp, #16]; save_next
    EXPECT_THAT(*steps({0xe6, 0xc8, 0x82}), ElementsAre(save(23, 24, 32), save(21, 22, 16)));
    // stp d8, d9, [sp, #-32]!; save_next
    EXPECT_THAT(*steps({0xe6, 0xda, 0x03}), ElementsAre(allocate(32)));
    // One that the prologue has not come to counts for nothing.
    const UnwindInfoArm64 info = info_of({0xe6, 0xe6, 0x28, 0xe4});
    EXPECT_THAT(*unwind_steps_arm64(info, 8), ElementsAre(save(21, 22, 16), save(19, 20, 0, 64)));
}

TEST(UnwindStepsArm64, RefuseASaveNextThatStandsForNothing) {
    EXPECT_FALSE(steps({0xe6}));
    EXPECT_FALSE(steps({0xe6, 0x03}));                   // before an allocation
    EXPECT_FALSE(steps({0xe6, 0x46}));                   // before fp and lr
    EXPECT_FALSE(steps({0xe6, 0xe3, 0x28}));             // before a nop
    EXPECT_FALSE(steps({0xe6, 0xca, 0x80}));             // x29, x30 and what lies behind
    EXPECT_FALSE(steps(Bytes(7, 0xe6)));                 // and so on
    EXPECT_FALSE(steps({0xe6, 0xe6, 0xe6, 0xc9, 0x82})); // x25 to x28, then x29, x30, then none
}

TEST(UnwindStepsArm64, UndoWhatAPrologueHasDone) {
    // stp fp, lr, [sp, #-32]!; str x19, [sp, #16]; mov fp, sp; sub sp, #48
    const UnwindInfoArm64 info = info_of({0x03, 0xe1, 0xd0, 0x02, 0x83, 0xe4, 0xe3, 0xe3});
    const Step link = save(kFp, kLr, 0, 32), reg = save(19, kNone, 16), frame = allocate(48);
    EXPECT_THAT(*unwind_steps_arm64(info, 0), IsEmpty());
    EXPECT_THAT(*unwind_steps_arm64(info, 4), ElementsAre(link));
    EXPECT_THAT(*unwind_steps_arm64(info, 8), ElementsAre(reg, link));
    EXPECT_THAT(*unwind_steps_arm64(info, 12), ElementsAre(kToFrame, reg, link));
    for (const std::uint32_t offset : {16u, 0x80u, 0xfcu, 0x100u, 0x104u})
        EXPECT_THAT(*unwind_steps_arm64(info, offset), ElementsAre(frame, kToFrame, reg, link)) << offset;
    EXPECT_FALSE(unwind_steps_arm64(info, 2));
}

TEST(UnwindStepsArm64, UndoWhatAnEpilogueHasNot) {
    UnwindInfoArm64 info = info_of({0x03, 0x83, 0xe4, 0x83, 0xe4, 0xe3, 0xe3, 0xe3});
    info.epilogs = {{0x20, 0}, {0x40, 3}};
    const Step link = save(kFp, kLr, 0, 32), frame = allocate(48);
    EXPECT_THAT(*unwind_steps_arm64(info, 0x1c), ElementsAre(frame, link));
    EXPECT_THAT(*unwind_steps_arm64(info, 0x20), ElementsAre(frame, link));
    EXPECT_THAT(*unwind_steps_arm64(info, 0x24), ElementsAre(link));
    EXPECT_THAT(*unwind_steps_arm64(info, 0x28), IsEmpty());
    EXPECT_THAT(*unwind_steps_arm64(info, 0x2c), ElementsAre(frame, link));
    EXPECT_THAT(*unwind_steps_arm64(info, 0x40), ElementsAre(link));
    EXPECT_THAT(*unwind_steps_arm64(info, 0x44), IsEmpty());
    EXPECT_THAT(*unwind_steps_arm64(info, 0x48), ElementsAre(frame, link));
    std::swap(info.epilogs[0], info.epilogs[1]); // in any order
    EXPECT_THAT(*unwind_steps_arm64(info, 0x24), ElementsAre(link));
}

TEST(UnwindStepsArm64, FindTheOneEpilogueAtTheEnd) {
    UnwindInfoArm64 info = info_of({0x03, 0x83, 0xe4, 0xe3}, 0x40);
    info.single_epilog = true;
    const Step link = save(kFp, kLr, 0, 32), frame = allocate(48);
    EXPECT_THAT(*unwind_steps_arm64(info, 0x34), ElementsAre(frame, link));
    EXPECT_THAT(*unwind_steps_arm64(info, 0x38), ElementsAre(link));
    EXPECT_THAT(*unwind_steps_arm64(info, 0x3c), IsEmpty());
    EXPECT_THAT(*unwind_steps_arm64(info, 0x40),
                ElementsAre(frame, link)); // behind a call that is the last instruction
}

TEST(UnwindStepsArm64, AnEpilogueMayEndWithTheLastWord) {
    UnwindInfoArm64 info = info_of({0x83, 0xe4, 0xe3, 0xe3, 0xe3, 0xe3, 0xe3, 0x83});
    info.epilogs = {{0x20, 7}};
    EXPECT_THAT(*unwind_steps_arm64(info, 0x20), ElementsAre(save(kFp, kLr, 0, 32)));
    EXPECT_THAT(*unwind_steps_arm64(info, 0x24), IsEmpty());
}

TEST(UnwindStepsArm64, KnowPartsOfAFunction) {
    // end_c; sub sp, #48; stp fp, lr, [sp, #-32]!
    const UnwindInfoArm64 part = info_of({0xe5, 0x03, 0x83, 0xe4});
    for (const std::uint32_t offset : {0u, 4u, 0x40u})
        EXPECT_THAT(*unwind_steps_arm64(part, offset), ElementsAre(allocate(48), save(kFp, kLr, 0, 32)));
    // str x20, [sp, #24] of its own; end_c; the same
    const UnwindInfoArm64 two = info_of({0xd0, 0x43, 0xe5, 0x03, 0x83, 0xe4});
    EXPECT_THAT(*unwind_steps_arm64(two, 0), ElementsAre(allocate(48), save(kFp, kLr, 0, 32)));
    EXPECT_THAT(*unwind_steps_arm64(two, 4), ElementsAre(save(20, kNone, 24), allocate(48), save(kFp, kLr, 0, 32)));
}

TEST(UnwindStepsArm64, RefuseCodesThatAreNotDefined) {
    EXPECT_FALSE(unwind_steps_arm64(info_of({0x03, 0xed, 0xe4, 0xe3}), 0x80));
    EXPECT_FALSE(unwind_steps_arm64(info_of({0x03, 0xe4, 0xe3, 0xc0}), 0x80) &&
                 unwind_steps_arm64(info_of({0xe5, 0xc0}), 0x80)); // cut off behind end_c
}

/// A packed word for a function of 64 instructions.
std::uint32_t packed(std::uint32_t floats, std::uint32_t integers, bool homes, std::uint32_t link,
                     std::uint32_t frame) {
    return 1 | 64 << 2 | floats << 13 | integers << 16 | (homes ? 1u << 20 : 0) | link << 21 | frame / 16 << 23;
}

TEST(PackedUnwindArm64, StandsForThePrologueThatIsDocumented) {
    struct Case {
        std::uint32_t word;
        std::vector<Step> prologue; ///< from its end, as llvm-readobj lists it
    };
    const Step homes[] = {kNothing, kNothing, kNothing, kNothing};
    for (const Case& c : {
             Case{packed(0, 0, false, 0, 0), {}},
             Case{packed(0, 0, false, 0, 16), {allocate(16)}},
             Case{packed(0, 0, false, 1, 16), {save(kLr, kNone, 0, 16)}},
             Case{packed(0, 0, false, 1, 32), {allocate(16), save(kLr, kNone, 0, 16)}},
             Case{packed(0, 0, false, 2, 16), {kToFrame, save(kFp, kLr, 0, 16), kSigned}},
             Case{packed(0, 0, false, 3, 16), {kToFrame, save(kFp, kLr, 0, 16)}},
             Case{packed(0, 1, false, 0, 16), {save(19, kNone, 0, 16)}},
             Case{packed(0, 2, false, 1, 32), {save(kLr, kNone, 16), save(19, 20, 0, 32)}},
             Case{packed(0, 3, false, 1, 48), {allocate(16), save(21, kLr, 16), save(19, 20, 0, 32)}},
             Case{packed(0, 3, false, 3, 48),
                  {kToFrame, save(kFp, kLr, 0, 16), save(21, kNone, 16), save(19, 20, 0, 32)}},
             Case{packed(1, 0, false, 0, 16), {allocate(16)}},                         // stp d8, d9, [sp, #-16]!
             Case{packed(2, 0, false, 0, 32), {save(kNone, kNone, 16), allocate(32)}}, // str d10; stp d8, d9
             Case{packed(1, 2, false, 0, 32), {save(kNone, kNone, 16), save(19, 20, 0, 32)}},
             Case{packed(0, 10, false, 0, 80),
                  {save(27, 28, 64), save(25, 26, 48), save(23, 24, 32), save(21, 22, 16), save(19, 20, 0, 80)}},
             Case{packed(0, 0, true, 0, 80), {allocate(16), homes[0], homes[1], homes[2], allocate(64)}},
             Case{packed(0, 0, true, 1, 80), {homes[0], homes[1], homes[2], homes[3], save(kLr, kNone, 0, 80)}},
             Case{packed(0, 0, true, 3, 80),
                  {kToFrame, save(kFp, kLr, 0, 16), homes[0], homes[1], homes[2], allocate(64)}},
             Case{packed(0, 2, false, 3, 16 + 512), {kToFrame, save(kFp, kLr, 0, 512), save(19, 20, 0, 16)}},
             Case{packed(0, 2, false, 3, 16 + 528), {kToFrame, save(kFp, kLr, 0), allocate(528), save(19, 20, 0, 16)}},
             Case{packed(0, 2, false, 3, 16 + 4096),
                  {kToFrame, save(kFp, kLr, 0), allocate(16), allocate(4080), save(19, 20, 0, 16)}},
             Case{packed(0, 2, false, 0, 16 + 4080), {allocate(4080), save(19, 20, 0, 16)}},
             Case{packed(0, 2, false, 0, 16 + 4096), {allocate(16), allocate(4080), save(19, 20, 0, 16)}},
         }) {
        const auto frame = packed_frame_arm64(c.word);
        ASSERT_TRUE(frame) << std::hex << c.word;
        EXPECT_EQ(frame->prologue.size(), c.prologue.size()) << std::hex << c.word;
        for (std::size_t i = 0; i < std::min(frame->prologue.size(), c.prologue.size()); ++i) {
            // Where a register that is not told was saved counts for nothing.
            Step found = frame->prologue[i], wanted = c.prologue[i];
            if (found.registers == Step().registers && found.kind == Kind::restore)
                found.offset = wanted.offset = 0;
            EXPECT_EQ(found, wanted) << std::hex << c.word << ", " << i;
        }
    }
}

TEST(PackedUnwindArm64, ItsEpilogueDoesTheSameWithoutTheFramePointerAndTheHomes) {
    const auto frame = packed_frame_arm64(packed(0, 3, true, 2, 112));
    ASSERT_TRUE(frame);
    EXPECT_THAT(frame->epilogue, ElementsAre(save(kFp, kLr, 0, 16), save(21, kNone, 16), save(19, 20, 0, 96), kSigned));
    const auto homes = packed_frame_arm64(packed(0, 0, true, 3, 80));
    ASSERT_TRUE(homes);
    EXPECT_THAT(homes->epilogue, ElementsAre(save(kFp, kLr, 0, 16), allocate(64)));
}

TEST(PackedUnwindArm64, IsFollowedThroughTheFunction) {
    UnwindInfoArm64 info;
    info.packed = packed(0, 2, false, 3, 32);
    info.function_size = 0x100;
    const Step link = save(kFp, kLr, 0, 16), regs = save(19, 20, 0, 16);
    EXPECT_THAT(*unwind_steps_arm64(info, 0), IsEmpty());
    EXPECT_THAT(*unwind_steps_arm64(info, 4), ElementsAre(regs));
    EXPECT_THAT(*unwind_steps_arm64(info, 8), ElementsAre(link, regs));
    EXPECT_THAT(*unwind_steps_arm64(info, 12), ElementsAre(kToFrame, link, regs));
    EXPECT_THAT(*unwind_steps_arm64(info, 0xf0), ElementsAre(kToFrame, link, regs));
    EXPECT_THAT(*unwind_steps_arm64(info, 0xf4), ElementsAre(link, regs));
    EXPECT_THAT(*unwind_steps_arm64(info, 0xf8), ElementsAre(regs));
    EXPECT_THAT(*unwind_steps_arm64(info, 0xfc), IsEmpty());
    EXPECT_THAT(*unwind_steps_arm64(info, 0x100), ElementsAre(kToFrame, link, regs));
    info.fragment = true; // the middle of a function has no prologue and no epilogue
    for (const std::uint32_t offset : {0u, 4u, 0xf4u, 0xfcu})
        EXPECT_THAT(*unwind_steps_arm64(info, offset), ElementsAre(kToFrame, link, regs)) << offset;
}

TEST(PackedUnwindArm64, RefusesWhatIsNoDocumentedPrologue) {
    EXPECT_FALSE(packed_frame_arm64(packed(0, 4, false, 0, 16))); // registers that do not fit in the frame
    EXPECT_FALSE(packed_frame_arm64(packed(0, 0, true, 0, 48)));
    EXPECT_FALSE(packed_frame_arm64(packed(0, 2, false, 3, 16))); // no room for fp and lr
    EXPECT_FALSE(packed_frame_arm64(packed(0, 0, false, 2, 0)));
    EXPECT_FALSE(packed_frame_arm64(packed(0, 1, false, 1, 16))); // x19 and lr by one store with write-back
}

} // namespace
} // namespace suture::pe
