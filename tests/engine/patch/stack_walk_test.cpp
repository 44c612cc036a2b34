#include "engine/patch/stack_walk.hpp"
#include "tests/engine/patch/code_in_memory.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace suture::patch {
namespace {

using test::Unwind;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr Va kApp{0x140000000};
constexpr Va kNtdll{0x7ff800000000};
constexpr Va kStack{0x200000};
constexpr std::uint64_t kStackSize = 0x10000;
constexpr int kRbx = 3, kRbp = 5, kRsi = 6, kR12 = 12;
enum {
    push = 0,
    alloc_large = 1,
    alloc_small = 2,
    set_fp = 3,
    save = 4,
    save_far = 5,
    epilog = 6,
    xmm = 8,
    xmm_far = 9,
    machframe = 10
};

/// app.dll, and ntdll.dll with a thread's outermost function, which calls something and keeps 0x28 bytes. Tests add
/// functions, lay out a stack from its end downwards, and walk.
class StackWalk : public testing::Test {
  protected:
    StackWalk() : stack_(kStackSize, 0x5a) {
        test::CodeBuilder ntdll;
        // sub rsp, 0x28; call; int3
        const Bytes start = {0x48, 0x83, 0xec, 0x28, 0xe8, 0, 0, 0, 0, 0xcc};
        start_ = kNtdll + ntdll.add(start, Unwind{4}.op(4, alloc_small, 4)).value;
        ntdll.name("RtlUserThreadStart", rva(kNtdll, start_));
        dispatcher_ = kNtdll + ntdll.add({0x53, 0xe8, 0, 0, 0, 0, 0xcc}, Unwind{1}.op(1, push, kRbx)).value;
        ntdll.name("KiUserApcDispatcher", rva(kNtdll, dispatcher_));
        process_.load("ntdll.dll", kNtdll, ntdll.image());
        top_ = kStack + kStackSize;
        push_word(0); // what the outermost function would return to
        skip(0x28);
        push_word(start_.value + 9);
        caller_sp_ = top_ + 8;
        registers_.fill(0xdead);
    }

    static Rva rva(Va base, Va at) { return Rva{static_cast<std::uint32_t>(at - base)}; }

    void push_word(std::uint64_t value) {
        top_ = top_ - 8;
        test::put(stack_, top_ - kStack, value);
    }
    void skip(std::uint64_t bytes) { top_ = top_ - bytes; }

    /// Walks from app.dll + `ip` with what was pushed last at the stack pointer.
    Walk walk(Rva ip, bool volatile_registers = true) { return walk_at(kApp + ip.value, volatile_registers); }

    Walk walk_at(Va ip, bool volatile_registers = true) {
        if (!map_) {
            process_.load("app.dll", kApp, app_.image());
            map_.emplace(process_);
            EXPECT_TRUE(map_->refresh());
        }
        target::ThreadState thread;
        thread.ip = ip;
        thread.sp = top_;
        thread.registers = registers_;
        thread.volatile_registers = volatile_registers;
        const StackView view{top_, *ByteView(stack_).from(top_ - kStack)};
        return walk_stack(Machine::x64, *map_, thread, view);
    }

    std::vector<std::string> lines(const Walk& walk) {
        std::vector<std::string> result;
        for (const Frame& frame : walk.frames)
            result.push_back(map_->describe(frame.ip));
        return result;
    }

    /// The walk goes from `ip` straight to the outermost function, with the right stack pointer.
    void expect_one_step(Rva ip) {
        const Walk walked = walk(ip);
        EXPECT_TRUE(walked.complete) << "at offset " << ip.value << ": " << walked.stopped_because;
        ASSERT_EQ(walked.frames.size(), 2u);
        EXPECT_EQ(walked.frames[1].ip, start_ + 9);
        EXPECT_EQ(walked.frames[1].sp, caller_sp_);
        EXPECT_EQ(walked.frames[1].arrival, Arrival::returning);
    }

    void expect_incomplete(const Walk& walked, std::string_view reason) {
        EXPECT_FALSE(walked.complete);
        EXPECT_THAT(walked.stopped_because, HasSubstr(reason));
        EXPECT_EQ(walked.scanned_from, walked.frames.back().sp);
    }

    /// A function that keeps a frame register, whose frame is `size` bytes below: `call; nop`, called from ntdll.
    Rva add_caller_with_frame_register(int number) {
        // push rbp; mov rbp, rsp; call; nop (the instructions do not matter here, only the codes)
        return app_.add({0x55, 0x48, 0x89, 0xe5, 0xe8, 0, 0, 0, 0, 0x90},
                        Unwind{.prolog_size = 4, .frame_register = static_cast<std::uint8_t>(number)}
                            .op(4, set_fp, 0)
                            .op(1, push, kRbp));
    }

    test::CodeInMemory process_;
    test::CodeBuilder app_;
    std::optional<CodeMap> map_;
    Bytes stack_;
    Va top_;
    Va start_, dispatcher_;
    Va caller_sp_;
    std::array<std::uint64_t, target::kRegisters> registers_{};
};

TEST_F(StackWalk, EndsAtTheOutermostFunctionOfTheThread) {
    top_ = caller_sp_; // inside it, after its prologue
    const Walk walked = walk_at(start_ + 9);
    EXPECT_TRUE(walked.complete) << walked.stopped_because;
    EXPECT_THAT(lines(walked), ElementsAre("ntdll.dll+0x1009"));
    EXPECT_EQ(walked.scanned_from, kStack + kStackSize);
}

TEST_F(StackWalk, KnowsEveryPlaceInAPrologueAndAnEpilogue) {
    const Bytes code = {0x53,                   // 0 push rbx
                        0x41, 0x54,             // 1 push r12
                        0x48, 0x83, 0xec, 0x18, // 3 sub rsp, 0x18
                        0x90,                   // 7 body
                        0x48, 0x83, 0xc4, 0x18, // 8 add rsp, 0x18
                        0x41, 0x5c,             // 12 pop r12
                        0x5b,                   // 14 pop rbx
                        0xc3};                  // 15 ret
    const Rva function = app_.add(code, Unwind{7}.op(7, alloc_small, 2).op(3, push, kR12).op(1, push, kRbx));
    const Va entry_sp = top_;
    push_word(0x1b);
    push_word(0x12c);
    skip(0x18);
    const std::vector<std::pair<std::uint32_t, std::uint64_t>> places = {{0, 0},    {1, 8},     {3, 0x10}, {7, 0x28},
                                                                         {8, 0x28}, {12, 0x10}, {14, 8},   {15, 0}};
    for (const auto& [offset, depth] : places) {
        top_ = entry_sp - depth;
        expect_one_step(function + offset);
    }
}

TEST_F(StackWalk, UndoesBothFormsOfLargeAllocations) {
    const Rva words = app_.add({0x90, 0xc3}, Unwind{0}.op(0, alloc_large, 0, {0x1000 / 8}));
    const Rva bytes = app_.add({0x90, 0xc3}, Unwind{0}.op(0, alloc_large, 1, {0x2000, 0}));
    const Va entry_sp = top_;
    top_ = entry_sp - 0x1000;
    expect_one_step(words);
    top_ = entry_sp - 0x2000;
    expect_one_step(bytes);
}

TEST_F(StackWalk, RestoresRegistersThatWerePushedOrMoved) {
    // The caller finds its frame by rbp, which each of these has changed.
    const Rva caller = add_caller_with_frame_register(kRbp);
    const Rva pushed = app_.add({0x90}, Unwind{0}.op(0, alloc_small, 3).op(0, push, kRbp));
    const Rva moved = app_.add({0x90}, Unwind{0}.op(0, save, kRbp, {1}).op(0, alloc_small, 4));
    const Rva moved_far = app_.add({0x90}, Unwind{0}.op(0, save_far, kRbp, {8, 0}).op(0, alloc_small, 4));
    const Rva vectors = app_.add(
        {0x90}, Unwind{0}.op(0, xmm, 6, {1}).op(0, xmm_far, 7, {0x20, 0}).op(0, alloc_small, 3).op(0, push, kRbp));
    push_word(0x5b); // the caller's own push of rbp
    const Va frame = top_;
    skip(0x100); // the caller moved its stack pointer, as alloca does
    push_word(kApp.value + caller.value + 9);
    const Va entry_sp = top_;

    const auto expect_two_steps = [&](Rva function) {
        const Walk walked = walk(function);
        EXPECT_TRUE(walked.complete) << walked.stopped_because;
        EXPECT_EQ(walked.frames.size(), 3u);
    };
    push_word(frame.value);
    skip(0x20);
    expect_two_steps(pushed);
    expect_two_steps(vectors);
    top_ = entry_sp - 0x28;
    test::put(stack_, top_ + 8 - kStack, frame.value);
    expect_two_steps(moved);
    expect_two_steps(moved_far);
}

TEST_F(StackWalk, FollowsTheFrameRegisterOnceItIsSet) {
    const Bytes code = {0x55, 0x48, 0x83, 0xec, 0x40, 0x48, 0x8d, 0x6c, 0x24, 0x20, 0x90}; // lea rbp, [rsp+0x20]
    const Rva function = app_.add(code, Unwind{.prolog_size = 10, .frame_register = kRbp, .frame_offset = 2}
                                            .op(10, set_fp, 2)
                                            .op(5, alloc_small, 7)
                                            .op(1, push, kRbp));
    push_word(0);
    skip(0x40);
    const Va fixed = top_;
    expect_one_step(function + 5); // rbp is still the caller's
    registers_[kRbp] = fixed.value + 0x20;
    expect_one_step(function + 10);
    top_ = fixed - 0x500; // alloca
    expect_one_step(function + 10);
}

TEST_F(StackWalk, GivesUpOnAFrameRegisterThatIsNotKnown) {
    const Rva function = app_.add({0x90}, Unwind{.frame_register = 0x0b}.op(0, set_fp, 0)); // r11
    registers_[11] = top_.value;
    EXPECT_TRUE(walk(function).complete);
    expect_incomplete(walk(function, false), "frame register 11 is not known");
}

TEST_F(StackWalk, FollowsChainedEntries) {
    app_.add({0x53, 0x48, 0x83, 0xec, 0x20, 0x90}, Unwind{5}.op(5, alloc_small, 3).op(1, push, kRbx));
    const Rva part = app_.add({0x90, 0x90}, Unwind{.slots = {}, .chained_to = app_.last()}.op(0, save, kRsi, {1}));
    push_word(0x1b);
    skip(0x20);
    expect_one_step(part);
    expect_one_step(part + 1);
}

TEST_F(StackWalk, GivesUpOnAChainWithoutEnd) {
    app_.add({0x90}, Unwind{});
    const Rva function = app_.add({0x90}, Unwind{.chained_to = app_.last()});
    process_.load("app.dll", kApp, app_.image());
    // Let the second entry be chained to itself.
    Bytes& image = process_.memory[kApp.value];
    const std::uint32_t xdata = 0x2004;
    test::put(image, xdata + 4, function.value);
    test::put(image, xdata + 8, function.value + 1);
    test::put(image, xdata + 12, xdata);
    map_.emplace(process_);
    ASSERT_TRUE(map_->refresh());
    expect_incomplete(walk(function), "chained");
}

TEST_F(StackWalk, ContinuesWhereAMachineFrameSaysThatItWasInterrupted) {
    const Rva interrupted = app_.add({0x53, 0x90, 0x5b, 0xc3}, Unwind{1}.op(1, push, kRbx));
    const Rva plain = app_.add({0x90}, Unwind{0}.op(0, alloc_small, 1).op(0, machframe, 0));
    const Rva with_code = app_.add({0x90}, Unwind{0}.op(0, alloc_small, 0).op(0, machframe, 1));
    push_word(0x1b);
    const Va sp = top_;
    skip(0x40);
    push_word(0x2b);                               // ss
    push_word(sp.value);                           // rsp
    push_word(0x246);                              // eflags
    push_word(0x33);                               // cs
    push_word(kApp.value + interrupted.value + 1); // rip
    skip(0x10);
    for (const Rva handler : {plain, with_code}) {
        const Walk walked = walk(handler);
        EXPECT_TRUE(walked.complete) << walked.stopped_because;
        ASSERT_EQ(walked.frames.size(), 3u);
        EXPECT_EQ(walked.frames[1].arrival, Arrival::interrupted);
        EXPECT_EQ(walked.frames[1].sp, sp);
    }
    // Where it was interrupted may be a prologue.
    test::put(stack_, top_ + 0x10 - kStack, kApp.value + interrupted.value);
    test::put(stack_, top_ + 0x28 - kStack, sp.value + 8);
    EXPECT_TRUE(walk(plain).complete);
}

TEST_F(StackWalk, GivesUpWhenTheStackPointerDoesNotRise) {
    const Rva function = app_.add({0x90}, Unwind{0}.op(0, machframe, 0));
    const Va sp = top_ - 40;
    push_word(0x2b);
    push_word(sp.value); // back to where it is
    push_word(0x246);
    push_word(0x33);
    push_word(kApp.value + function.value);
    ASSERT_EQ(top_, sp);
    expect_incomplete(walk(function), "stack pointer would be");
    for (const std::uint64_t lie : {kStack.value + kStackSize + 8, sp.value + 4, sp.value - 8, std::uint64_t{0}}) {
        test::put(stack_, top_ + 24 - kStack, lie);
        expect_incomplete(walk(function), "stack pointer would be");
    }
}

TEST_F(StackWalk, TakesADispatchersReturnAddressForAnInterruptedPlace) {
    const Rva interrupted = app_.add({0x90, 0x90, 0xc3}, Unwind{});
    push_word(kApp.value + interrupted.value + 1); // not behind a call
    push_word(0x1b);
    const Walk walked = walk_at(dispatcher_ + 6);
    EXPECT_TRUE(walked.complete) << walked.stopped_because;
    EXPECT_THAT(lines(walked), ElementsAre("ntdll.dll+0x1016", "app.dll+0x1001", "ntdll.dll+0x1009"));
    EXPECT_EQ(walked.frames[1].arrival, Arrival::interrupted);
}

TEST_F(StackWalk, IgnoresTheEpilogueCodesOfVersion2) {
    const Rva function = app_.add({0x53, 0x90, 0x5b, 0xc3},
                                  Unwind{.prolog_size = 1, .version = 2}.op(2, epilog, 1, {0}).op(1, push, kRbx));
    const Va entry_sp = top_;
    expect_one_step(function);
    expect_one_step(function + 3);
    push_word(0x1b);
    expect_one_step(function + 1);
    expect_one_step(function + 2);
    EXPECT_EQ(top_, entry_sp - 8);
}

TEST_F(StackWalk, TakesCodeWithoutUnwindDataForALeafIfItLooksLikeOne) {
    const Rva leaf = app_.add({0x48, 0x89, 0xc8, 0xc3});
    const Rva with_push = app_.add({0x90, 0x53, 0x5b, 0xc3});
    const Rva with_call = app_.add({0x90, 0xe8, 0, 0, 0, 0, 0xc3});
    const Rva with_frame = app_.add({0x90, 0x48, 0x83, 0xc4, 0x28, 0xc3});
    expect_one_step(leaf);
    expect_one_step(leaf + 3);
    expect_incomplete(walk(with_push), "no unwind data");
    expect_incomplete(walk(with_call), "no unwind data");
    expect_incomplete(walk(with_frame), "no unwind data");
}

TEST_F(StackWalk, DoesNotTakeACallerForALeaf) {
    const Rva caller = app_.add({0xe8, 0, 0, 0, 0, 0xc3});
    const Rva leaf = app_.add({0xc3});
    push_word(kApp.value + caller.value + 5);
    const Walk walked = walk(leaf);
    expect_incomplete(walked, "no unwind data");
    EXPECT_THAT(lines(walked), ElementsAre("app.dll+0x1010", "app.dll+0x1005"));
}

TEST_F(StackWalk, FindsTheReturnAddressInStubsAtTheStackPointer) {
    const Va stub{0x13fff0000};
    app_.add({0x90}, Unwind{});
    walk(Rva{0x1000});
    expect_incomplete(walk_at(stub + 2), "not in the code of a module");
    map_->add_leaf("stubs", {stub, 0x1000});
    const Walk walked = walk_at(stub + 2);
    EXPECT_TRUE(walked.complete) << walked.stopped_because;
    EXPECT_THAT(lines(walked), ElementsAre("stubs+0x2", "ntdll.dll+0x1009"));
}

TEST_F(StackWalk, WalksThroughAnImageThatNoLoaderKnows) {
    test::CodeBuilder patch;
    const Rva function = patch.add({0x53, 0x90}, Unwind{1}.op(1, push, kRbx));
    const Va base{0x13ff00000};
    Bytes image = patch.image();
    const std::uint64_t size = image.size();
    app_.add({0x90}, Unwind{});
    walk(Rva{0x1000});
    process_.memory[base.value] = std::move(image);
    map_->add_image("fix", {base, size});
    push_word(0x1b);
    const Walk walked = walk_at(base + function.value + 1);
    EXPECT_TRUE(walked.complete) << walked.stopped_because;
    EXPECT_THAT(lines(walked), ElementsAre("fix+0x1001", "ntdll.dll+0x1009"));
}

TEST_F(StackWalk, BelievesNoReturnAddressThatFollowsNoCall) {
    const Rva function = app_.add({0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0xc3}, Unwind{});
    for (const std::uint64_t lie : {kApp.value + function.value + 7, kApp.value, kApp.value + 0x2000,
                                    std::uint64_t{0x12345678}, ~std::uint64_t{0}}) {
        test::put(stack_, top_ - kStack, lie);
        expect_incomplete(walk(function), "is no return address");
    }
    // Near the stack's end a zero is the end of a thread whose outermost function is not known by name.
    test::put(stack_, top_ - kStack, std::uint64_t{0});
    EXPECT_TRUE(walk(function).complete);
    top_ = kStack + 0x100;
    push_word(0);
    expect_incomplete(walk(function), "0x0 is no return address"); // far from the end
}

TEST_F(StackWalk, FindsTheCallerWhoseLastInstructionIsTheCall) {
    const Rva caller = app_.add({0x53, 0xe8, 0, 0, 0, 0}, Unwind{1}.op(1, push, kRbx));
    app_.add_adjacent({0x48, 0x83, 0xec, 0x48, 0x90}, Unwind{4}.op(4, alloc_small, 8));
    const Rva leaf = app_.add({0xc3}, Unwind{});
    push_word(0x1b);
    push_word(kApp.value + caller.value + 6);
    const Walk walked = walk(leaf);
    EXPECT_TRUE(walked.complete) << walked.stopped_because;
    EXPECT_EQ(walked.frames.size(), 3u);
}

TEST_F(StackWalk, TellsATailCallFromAJumpInsideTheFunction) {
    // push rbx; nop; pop rbx; jmp out; jmp rax
    const Rva tail = app_.add({0x53, 0x90, 0x5b, 0xe9, 0x00, 0x04, 0, 0, 0xff, 0xe0}, Unwind{1}.op(1, push, kRbx));
    // push rbx; jmp +0; pop rbx; ret
    const Rva loop = app_.add({0x53, 0xeb, 0x00, 0x5b, 0xc3}, Unwind{1}.op(1, push, kRbx));
    expect_one_step(tail + 3); // the frame is gone
    expect_one_step(tail + 8);
    push_word(0x1b);
    expect_one_step(tail + 2);
    expect_one_step(tail + 3); // a jump to a cold part, with the frame in place
    expect_one_step(tail + 8); // a switch
    expect_one_step(loop + 1);
    // Both readings lead to a return address.
    test::put(stack_, top_ - kStack, start_.value + 9);
    expect_incomplete(walk(tail + 8), "may or may not leave");
}

TEST_F(StackWalk, GivesUpOnMalformedUnwindData) {
    const Rva unknown = app_.add({0x90}, Unwind{0}.op(0, 7, 0));
    const Rva cut_off = app_.add({0x90}, Unwind{0}.op(0, alloc_large, 1));
    const Rva version = app_.add({0x90}, Unwind{.version = 3});
    const Rva no_register = app_.add({0x90}, Unwind{0}.op(0, set_fp, 0));
    const Rva stack_pointer = app_.add({0x90}, Unwind{0}.op(0, push, 4));
    for (const Rva function : {unknown, cut_off, version})
        expect_incomplete(walk(function), "malformed");
    expect_incomplete(walk(no_register), "no frame register");
    expect_incomplete(walk(stack_pointer), "restores the stack pointer");
}

TEST_F(StackWalk, GivesUpWhereUnwindDataLeadsOutOfTheStack) {
    const Rva deep = app_.add({0x90}, Unwind{0}.op(0, alloc_large, 1, {0, 0x7fff}));
    const Rva saved = app_.add({0x90}, Unwind{0}.op(0, save_far, kRbx, {0, 0x7fff}));
    const Rva based = app_.add({0x90}, Unwind{.frame_register = kRbp}.op(0, set_fp, 0));
    expect_incomplete(walk(deep), "not in the live stack");
    expect_incomplete(walk(saved), "not in the live stack");
    for (const std::uint64_t lie : {std::uint64_t{0}, ~std::uint64_t{7}, kStack.value + kStackSize, top_.value - 8}) {
        registers_[kRbp] = lie;
        expect_incomplete(walk(based), "not in the live stack");
    }
}

TEST_F(StackWalk, GivesUpWhereTheStackIsCutOff) {
    const Rva function = app_.add({0x90}, Unwind{0}.op(0, alloc_small, 3));
    top_ = kStack + kStackSize - 0x10;
    expect_incomplete(walk(function), "not in the live stack");
    top_ = kStack + kStackSize;
    expect_incomplete(walk(function), "not in the live stack");
}

TEST_F(StackWalk, StopsAtTheLimitOfFrames) {
    const Rva recursive = app_.add({0xe8, 0, 0, 0, 0, 0x90}, Unwind{});
    for (std::size_t i = 0; i < kMaxFrames + 100; ++i)
        push_word(kApp.value + recursive.value + 5);
    const Walk walked = walk(recursive);
    expect_incomplete(walked, "frames");
    EXPECT_EQ(walked.frames.size(), kMaxFrames);
}

TEST_F(StackWalk, GivesUpInAModuleThatCannotBeUnderstood) {
    app_.add({0xc3}, Unwind{});
    Bytes image = app_.image();
    image[0] = 0;
    process_.load("app.dll", kApp, image);
    map_.emplace(process_);
    ASSERT_TRUE(map_->refresh());
    expect_incomplete(walk(Rva{0x1000}), "not in the code of a module");
    EXPECT_EQ(map_->describe(kApp + 0x1000), "app.dll+0x1000");
}

TEST_F(StackWalk, ReadsNothingAgainForAPlaceItHasSeen) {
    const Rva function = app_.add({0xc3}, Unwind{});
    walk(function);
    const std::size_t before = process_.reads;
    EXPECT_TRUE(walk(function).complete);
    EXPECT_EQ(process_.reads, before);
}

TEST_F(StackWalk, SeesThatAModuleWasReplacedByAnother) {
    const Rva function = app_.add({0x53, 0x90}, Unwind{1}.op(1, push, kRbx));
    push_word(0x1b);
    EXPECT_TRUE(walk(function + 1).complete);
    test::CodeBuilder other;
    other.add({0x90, 0x90}, Unwind{});
    Bytes image = other.image();
    test::put(image, test::PeBuilder::kLfanew + 8, std::uint32_t{0x12345678}); // TimeDateStamp
    process_.memory[kApp.value] = image;
    ASSERT_TRUE(map_->refresh());
    expect_incomplete(walk(function + 1), "is no return address");
    top_ = top_ + 8;
    expect_one_step(function + 1);
}

} // namespace
} // namespace suture::patch
