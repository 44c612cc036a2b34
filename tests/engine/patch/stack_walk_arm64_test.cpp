// What compiled code does not show (that is tests/patchgen/execution): interrupted places, lies, what ends a walk, and
// return addresses that lie in no stack.

#include "engine/patch/quiescence.hpp"
#include "engine/patch/stack_walk.hpp"
#include "tests/engine/patch/code_in_memory.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace suture::patch {
namespace {

using testing::HasSubstr;

constexpr Va kApp{0x140000000};
constexpr Va kStack{0x200000};
constexpr std::uint64_t kStackSize = 0x10000;
constexpr std::uint64_t kSignature = std::uint64_t{0x2a} << 48;
constexpr std::uint32_t kNop = 0xd503201f, kRet = 0xd65f03c0, kBl = 0x94000000;

/// app.dll, with functions of 8 instructions: each is its unwind codes, or none.
class StackWalkArm64 : public testing::Test {
  protected:
    StackWalkArm64() : stack_(kStackSize) {
        process_.runs = Machine::arm64;
        // The outermost one calls something behind its prologue of one instruction, and so does a caller with a frame
        // of 32 bytes.
        start_ = add({kNop, kBl}, Bytes{0x81, 0xe4}); // stp fp, lr, [sp, #-16]!
        caller_ = add({kNop, kBl}, Bytes{0x83, 0xe4});
        top_ = kStack + kStackSize - 16;
        put(8, 0); // lr of the outermost one
        put(0, 0);
        thread_.id = 7;
        thread_.stack = {kStack, kStackSize};
        thread_.registers.fill(0xdead);
    }

    Va add(std::initializer_list<std::uint32_t> code, std::optional<Bytes> codes) {
        const Va at = kApp + 0x1000 + text_.size();
        for (const std::uint32_t word : code)
            test::append(text_, word);
        while (text_.size() % 32 != 0)
            test::append(text_, kNop);
        if (codes)
            functions_.emplace_back(Rva{static_cast<std::uint32_t>(at - kApp)}, *codes);
        return at;
    }

    void put(std::uint64_t offset, std::uint64_t value) { test::put(stack_, top_ + offset - kStack, value); }
    /// Makes room below what is in use; words of it that nobody puts hold something that is no address.
    void push(std::uint64_t bytes) {
        top_ = top_ - bytes;
        for (std::uint64_t at = 0; at < bytes; at += 8)
            put(at, 0x5a5a);
    }
    /// A frame of `caller_`, which start_ called.
    void push_caller() {
        push(32);
        put(8, start_.value + 8);
    }

    void load() {
        if (map_)
            return;
        test::PeBuilder pe;
        pe.machine = Machine::arm64;
        pe.section(".text", test::PeBuilder::kCode, text_);
        Bytes xdata, entries;
        const Rva xdata_at = pe.rva_of_next();
        for (auto& [begin, codes] : functions_) {
            test::append(entries, begin.value);
            test::append(entries, xdata_at.value + static_cast<std::uint32_t>(xdata.size()));
            test::align(codes, 4);
            test::append(xdata, static_cast<std::uint32_t>(8 | codes.size() / 4 << 27));
            xdata.insert(xdata.end(), codes.begin(), codes.end());
        }
        pe.section(".xdata", test::PeBuilder::kReadOnly, xdata);
        const Rva pdata = pe.section(".pdata", test::PeBuilder::kReadOnly, entries);
        pe.directory(pe::Directory::exceptions, {pdata, static_cast<std::uint32_t>(entries.size())});
        Bytes image = pe.mapped();
        test::align(image, test::PeBuilder::kPage);
        process_.load("app.dll", kApp, std::move(image));
        map_.emplace(process_);
        EXPECT_TRUE(map_->refresh());
    }

    Walk walk(Va ip) {
        load();
        thread_.ip = ip;
        thread_.sp = top_;
        return walk_stack(Machine::arm64, *map_, thread_, {top_, *ByteView(stack_).from(top_ - kStack)});
    }

    void expect_frames(const Walk& walked, const std::vector<Va>& ips) {
        EXPECT_TRUE(walked.complete) << walked.stopped_because;
        EXPECT_TRUE(walked.loose.empty());
        std::vector<Va> found;
        for (const Frame& frame : walked.frames)
            found.push_back(frame.ip);
        EXPECT_EQ(found, ips);
    }

    void expect_incomplete(const Walk& walked, std::string_view reason) {
        EXPECT_FALSE(walked.complete);
        EXPECT_THAT(walked.stopped_because, HasSubstr(reason));
        EXPECT_FALSE(walked.loose.empty());
    }

    std::vector<Busy> busy(Va begin, std::uint64_t size) {
        load();
        thread_.sp = top_;
        process_.memory[kStack.value] = stack_;
        const std::vector<Forbidden> forbidden = {{{begin, size}, "f", Forbidden::Rule::no_ip_no_return}};
        BusySearch search(process_, forbidden, *map_);
        auto found = search.run({&thread_, 1});
        EXPECT_TRUE(found);
        return found.value_or(std::vector<Busy>{});
    }

    test::CodeInMemory process_;
    std::optional<CodeMap> map_;
    Bytes text_;
    std::vector<std::pair<Rva, Bytes>> functions_;
    Bytes stack_;
    Va top_, start_, caller_;
    target::ThreadState thread_;
};

TEST_F(StackWalkArm64, FindsTheReturnAddressOfALeafInItsRegister) {
    const Va leaf = add({kNop, kRet}, std::nullopt);
    thread_.registers[30] = start_.value + 8;
    expect_frames(walk(leaf), {leaf, start_ + 8});
    thread_.registers[30] |= kSignature;
    expect_frames(walk(leaf + 4), {leaf + 4, start_ + 8});
}

TEST_F(StackWalkArm64, FindsTheReturnAddressInStubsInItsRegister) {
    const Va stub{0x13fff0000};
    load();
    thread_.registers[30] = start_.value + 8;
    expect_incomplete(walk(stub), "not in the code of a module");
    map_->add_leaf("stubs", {stub, 0x1000});
    expect_frames(walk(stub + 4), {stub + 4, start_ + 8});
}

TEST_F(StackWalkArm64, TakesCodeWithoutUnwindDataForALeafIfItLooksLikeOne) {
    const Va with_call = add({kNop, kBl, kRet}, std::nullopt);
    const Va with_frame = add({0xa9be7bfd, kRet}, std::nullopt);
    thread_.registers[30] = start_.value + 8;
    expect_incomplete(walk(with_call), "no unwind data");
    expect_incomplete(walk(with_frame), "no unwind data");
    // Nor is a caller one.
    const Va leaf = start_;
    thread_.registers[30] = with_call.value + 8;
    expect_incomplete(walk(leaf), "no unwind data");
}

TEST_F(StackWalkArm64, KnowsARegisterInASystemCallOnlyIfACallPreservesIt) {
    const Va through_x9 = add({kNop}, Bytes{0xe2, 0x00, 0xe4}); // sp is x29
    thread_.registers[29] = top_.value;
    thread_.registers[30] = start_.value + 8;
    thread_.volatile_registers = false;
    expect_frames(walk(through_x9 + 4), {through_x9 + 4, start_ + 8});
    // An address that only x9 has is taken for one when all registers are right.
    thread_.registers[9] = caller_.value + 8;
    thread_.registers[30] = 0x1234;
    EXPECT_THAT(walk(through_x9 + 4).loose, testing::Not(testing::Contains(caller_ + 8)));
    thread_.volatile_registers = true;
    EXPECT_THAT(walk(through_x9 + 4).loose, testing::Contains(caller_ + 8));
}

TEST_F(StackWalkArm64, ContinuesWhereAMachineFrameSaysThatItWasInterrupted) {
    const Va handler = add({kNop}, Bytes{0x02, 0xe9, 0xe4}); // 32 bytes above
    const Va leaf = add({kNop, kRet}, std::nullopt);
    push_caller();
    const Va sp = top_;
    push(64);
    put(32, sp.value);
    put(40, caller_.value + 12); // not behind a call
    const Walk walked = walk(handler + 8);
    expect_frames(walked, {handler + 8, caller_ + 12, start_ + 8});
    EXPECT_EQ(walked.frames[1].arrival, Arrival::interrupted);
    EXPECT_EQ(walked.frames[1].sp, sp);
    // What a leaf there would return to is not in a machine frame.
    put(40, leaf.value);
    expect_incomplete(walk(handler + 8), "the return address is not known");
}

TEST_F(StackWalkArm64, ContinuesWithAllRegistersOfAContext) {
    const Va dispatcher = add({kNop}, Bytes{0xea, 0xe4});
    const Va leaf = add({kNop, kRet}, std::nullopt);
    push_caller();
    const Va sp = top_;
    push(0x390);
    put(8 + 8 * 30, caller_.value + 8);
    put(8 + 8 * 31, sp.value);
    put(8 + 8 * 32, leaf.value);
    const Walk walked = walk(dispatcher + 8);
    expect_frames(walked, {dispatcher + 8, leaf, caller_ + 8, start_ + 8});
    EXPECT_EQ(walked.frames[1].arrival, Arrival::interrupted);
    put(8 + 8 * 31, top_.value); // back to where it is
    expect_incomplete(walk(dispatcher + 8), "stack pointer would be");
}

TEST_F(StackWalkArm64, TakesAReturnAddressThatIsNoneWhereTheCodesSaySo) {
    const Va dispatcher = add({kNop}, Bytes{0xec, 0x83, 0xe4}); // stp fp, lr, [sp, #-32]!; clear_unwound_to_call
    push_caller();
    push(32);
    put(8, caller_.value + 12);
    const Walk walked = walk(dispatcher + 8);
    expect_frames(walked, {dispatcher + 8, caller_ + 12, start_ + 8});
    EXPECT_EQ(walked.frames[1].arrival, Arrival::interrupted);
}

TEST_F(StackWalkArm64, GivesUpWhenTheStackPointerDoesNotRise) {
    const Va handler = add({kNop}, Bytes{0xe9, 0xe4});
    const Va framed = add({kNop}, Bytes{0xe1, 0xe4});
    const Va returns_in_place = add({kNop, kBl}, Bytes{0xe4});
    const Va leaf = add({kNop, kRet}, std::nullopt);
    push(64);
    put(8, caller_.value + 8);
    for (const std::uint64_t lie : {top_.value, top_.value - 16, top_.value + 8, (kStack + kStackSize + 16).value}) {
        put(0, lie);
        expect_incomplete(walk(handler + 8), "stack pointer would be");
    }
    thread_.registers[30] = start_.value + 8;
    thread_.registers[29] = top_.value - 16;
    expect_incomplete(walk(framed + 8), "stack pointer would be");
    // A function that has called another has its return address on the stack, or it is not known.
    thread_.registers[30] = returns_in_place.value + 8;
    expect_incomplete(walk(leaf), "the return address is not known");
}

TEST_F(StackWalkArm64, BelievesNoReturnAddressThatFollowsNoCall) {
    const Va leaf = add({kNop, kRet}, Bytes{0xe4});
    for (const std::uint64_t lie : {start_.value + 4, start_.value + 9, kApp.value, kApp.value + 0x2000,
                                    std::uint64_t{0x12345678}, ~std::uint64_t{0}, std::uint64_t{4}}) {
        thread_.registers[30] = lie;
        expect_incomplete(walk(leaf), "is no return address");
    }
}

TEST_F(StackWalkArm64, GivesUpOnWhatItCannotUndo) {
    const Va kernel = add({kNop}, Bytes{0xe8, 0xe4});
    const Va vectors = add({kNop}, Bytes{0xdf, 0x01, 0xe4});
    const Va nothing = add({kNop}, Bytes{0xe6, 0xe4});
    const Va far = add({kNop}, Bytes{0xc7, 0xff, 0x46, 0xe4});
    expect_incomplete(walk(kernel + 8), "cannot be undone");
    expect_incomplete(walk(vectors + 8), "cannot be undone");
    expect_incomplete(walk(nothing + 8), "malformed");
    expect_incomplete(walk(far + 8), "is not in the live stack");
    expect_incomplete(walk(kernel + 6), "malformed"); // between two instructions
}

TEST_F(StackWalkArm64, AThreadInAPrologueReturnsToWhatItsRegisterSays) {
    const Va other = add({kNop}, Bytes{0xe4});
    thread_.ip = other;
    thread_.registers[30] = caller_.value + 8;
    push_caller();
    ASSERT_EQ(busy(caller_, 32).size(), 1u);
    EXPECT_EQ(busy(caller_, 32)[0].how, Busy::How::returns_into);
    EXPECT_EQ(busy(start_, 32)[0].how, Busy::How::returns_into);
    EXPECT_TRUE(busy(other + 4, 4).empty());
}

TEST_F(StackWalkArm64, RegistersAreSearchedWhereAWalkFails) {
    const Va other = add({kNop}, Bytes{0xe4});
    thread_.ip = Va{0x7f0000000000}; // code that no module holds
    EXPECT_TRUE(busy(other, 32).empty());
    for (const std::size_t number : {30u, 19u, 9u}) {
        thread_.registers[number] = other.value + 4;
        const auto found = busy(other, 32);
        ASSERT_EQ(found.size(), 1u) << number;
        EXPECT_EQ(found[0].how, Busy::How::found_in_scan);
        EXPECT_EQ(found[0].at, other + 4);
        thread_.registers[number] |= kSignature;
        EXPECT_EQ(busy(other, 32).size(), 1u) << number;
        thread_.registers[number] = 0xdead;
    }
    // And so are words of the stack, signed or not.
    push(16);
    for (const std::uint64_t word : {other.value + 4, (other.value + 4) | kSignature}) {
        put(8, word);
        const auto found = busy(other, 32);
        ASSERT_EQ(found.size(), 1u);
        EXPECT_EQ(found[0].stack_slot, top_ + 8);
    }
}

TEST_F(StackWalkArm64, AWordBehindCodeIsAReturnAddressIfThereIsACall) {
    thread_.ip = Va{0x7f0000000000};
    push(16);
    put(8, caller_.value + 8); // two instructions, the second of which is a call
    ASSERT_EQ(busy(caller_, 8).size(), 1u);
    EXPECT_EQ(busy(caller_, 8)[0].how, Busy::How::found_in_scan);
    put(8, caller_.value + 4);
    EXPECT_TRUE(busy(caller_, 4).empty());
    put(8, caller_.value + 7); // not where an instruction begins
    EXPECT_TRUE(busy(caller_, 7).empty());
}

} // namespace
} // namespace suture::patch
