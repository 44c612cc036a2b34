#include "engine/patch/quiescence.hpp"
#include "tests/engine/patch/code_in_memory.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace suture::patch {
namespace {

using test::Unwind;
using testing::ElementsAre;
using testing::HasSubstr;
using How = Busy::How;
using Rule = Forbidden::Rule;

constexpr Va kApp{0x140000000};
constexpr Va kStack{0x200000};
constexpr std::uint64_t kStackSize = 0x10000;
constexpr int kRbx = 3;

/// One thread: start, which called middle, which called leaf, in which it is. `middle` keeps 0x20 bytes.
class Quiescence : public testing::Test {
  protected:
    Quiescence() : map_(process_) {
        test::CodeBuilder app;
        start_ = kApp + app.add({0x90, 0xe8, 0, 0, 0, 0, 0xcc}, Unwind{}).value;
        middle_ = kApp + app.add({0x53, 0x48, 0x83, 0xec, 0x18, 0xe8, 0, 0, 0, 0, 0x90, 0xc3},
                                 Unwind{5}.op(5, 2, 2).op(1, 0, kRbx))
                             .value;
        leaf_ = kApp + app.add({0x90, 0x90, 0x90, 0x90, 0x90, 0xc3}, Unwind{}).value;
        other_ = kApp + app.add({0x90, 0xc3}, Unwind{}).value;
        process_.load("app.dll", kApp, app.image());
        EXPECT_TRUE(map_.refresh());
        Bytes& stack = process_.memory[kStack.value];
        stack.resize(kStackSize);
        Va top = kStack + kStackSize;
        const auto push = [&](std::uint64_t value) {
            top = top - 8;
            test::put(stack, top - kStack, value);
        };
        push(0);
        push(start_.value + 6);
        push(0x1b);
        for (const int unused : {1, 2, 3})
            push(static_cast<std::uint64_t>(unused));
        stale_ = top; // in middle's frame
        push(middle_.value + 10);
        thread_.id = 7;
        thread_.ip = leaf_ + 1;
        thread_.sp = top;
        thread_.stack = {kStack, kStackSize};
    }

    std::vector<Busy> busy(std::vector<Forbidden> forbidden) {
        auto found = BusySearch(process_, forbidden, map_).run(std::span(&thread_, 1));
        EXPECT_TRUE(found);
        return found.value_or(std::vector<Busy>{});
    }

    static Forbidden function(Va begin, std::uint64_t size, Rule rule = Rule::no_ip_no_return) {
        return {{begin, size}, "f", rule};
    }

    void expect_busy(const Forbidden& forbidden, How how, Va at) {
        const auto found = busy({forbidden});
        ASSERT_EQ(found.size(), 1u);
        EXPECT_EQ(found[0].thread, 7u);
        EXPECT_EQ(found[0].name, "f");
        EXPECT_EQ(found[0].how, how);
        EXPECT_EQ(found[0].at, at);
    }

    void write(Va at, std::uint64_t value) { test::put(process_.memory[kStack.value], at - kStack, value); }

    test::CodeInMemory process_;
    CodeMap map_;
    target::ThreadState thread_;
    Va start_, middle_, leaf_, other_;
    Va stale_;
};

TEST_F(Quiescence, FindsTheFunctionThatAThreadExecutes) {
    expect_busy(function(leaf_, 6), How::executing, leaf_ + 1);
    const auto found = busy({function(leaf_, 6)});
    EXPECT_THAT(found[0].frames, ElementsAre("app.dll+0x1021", "app.dll+0x101a", "app.dll+0x1006"));
}

TEST_F(Quiescence, FindsTheFunctionsThatAThreadReturnsInto) {
    expect_busy(function(middle_, 12), How::returns_into, middle_ + 10);
    expect_busy(function(start_, 7), How::returns_into, start_ + 6);
    EXPECT_EQ(busy({function(middle_, 12)})[0].stack_slot, thread_.sp + 8);
}

TEST_F(Quiescence, FindsACallerWhoseCallIsItsLastInstruction) {
    expect_busy(function(middle_, 10), How::returns_into, middle_ + 10);
    expect_busy(function(middle_, 10, Rule::no_ip_inside), How::returns_into, middle_ + 10);
}

TEST_F(Quiescence, IsQuietWhereNoFrameIsForbidden) {
    EXPECT_TRUE(busy({}).empty());
    EXPECT_TRUE(busy({function(other_, 2)}).empty());
    EXPECT_TRUE(busy({function(leaf_ + 2, 4), function(middle_ + 11, 1)}).empty());
}

TEST_F(Quiescence, AllowsTheFirstByteOfASiteAndNoOther) {
    thread_.ip = leaf_;
    EXPECT_TRUE(busy({function(leaf_, 5, Rule::no_ip_inside)}).empty());
    expect_busy(function(leaf_, 5), How::executing, leaf_);
    for (std::uint64_t offset = 1; offset < 5; ++offset) {
        thread_.ip = leaf_ + offset;
        expect_busy(function(leaf_, 5, Rule::no_ip_inside), How::executing, leaf_ + offset);
    }
    thread_.ip = leaf_ + 5;
    EXPECT_TRUE(busy({function(leaf_, 5, Rule::no_ip_inside)}).empty());
}

TEST_F(Quiescence, CountsReturnAddressesInsideASite) {
    expect_busy(function(middle_ + 8, 5, Rule::no_ip_inside), How::returns_into, middle_ + 10);
    EXPECT_TRUE(busy({function(middle_ + 10, 2, Rule::no_ip_inside)}).empty());
}

TEST_F(Quiescence, CountsTheOtherInstructionPointersOfAThread) {
    thread_.other_ips = {Va{0x7f0000000000}, other_ + 1};
    expect_busy(function(other_, 2), How::executing, other_ + 1);
}

TEST_F(Quiescence, DoesNotMindStaleWordsOfAStackThatItCouldWalk) {
    write(stale_, other_.value + 1);
    EXPECT_TRUE(busy({function(other_, 2)}).empty());
}

TEST_F(Quiescence, SearchesTheRestOfAStackThatItCouldNotWalk) {
    thread_.ip = Va{0x7f0000000000}; // code that no module holds
    EXPECT_TRUE(busy({function(other_, 2)}).empty());
    write(stale_, other_.value + 1);
    expect_busy(function(other_, 2), How::found_in_scan, other_ + 1);
    const auto found = busy({function(other_, 2)});
    EXPECT_EQ(found[0].stack_slot, stale_);
    EXPECT_THAT(found[0].frames, ElementsAre("0x7f0000000000", HasSubstr("not in the code of a module")));
    // The first byte is a function pointer, or a return address behind somebody's last call: it counts.
    write(stale_, other_.value);
    expect_busy(function(other_, 2), How::found_in_scan, other_);
    EXPECT_TRUE(busy({function(other_, 2, Rule::no_ip_inside)}).empty());
    write(stale_, other_.value + 3);
    EXPECT_TRUE(busy({function(other_, 2)}).empty());
}

TEST_F(Quiescence, SearchesForReturnAddressesBehindAFunctionWhereACallIsItsLastInstruction) {
    thread_.ip = Va{0x7f0000000000};
    write(stale_, middle_.value + 10);
    expect_busy(function(middle_, 10), How::found_in_scan, middle_ + 10);
    // Behind a site a thread may go on.
    EXPECT_TRUE(busy({function(middle_, 10, Rule::no_ip_inside)}).empty());
    // What a return ends, or half a call, leads to nothing behind it: the address is of what lies there.
    write(stale_, other_.value + 2);
    EXPECT_TRUE(busy({function(other_, 2)}).empty());
    write(stale_, middle_.value + 9);
    EXPECT_TRUE(busy({function(middle_, 9)}).empty());
    // Nobody can tell what code is outside of every module.
    const Va unknown{0x7e0000000010};
    write(stale_, unknown.value);
    expect_busy(function(unknown - 8, 8), How::found_in_scan, unknown);
}

TEST_F(Quiescence, SearchesOnlyWhatNoFrameAccountsFor) {
    // The walk ends in start, whose return address is none: what lies below its frame is accounted for.
    const Va last = kStack + kStackSize - 8;
    write(last, other_.value + 1);
    write(stale_, other_.value + 1);
    const auto found = busy({function(other_, 2)});
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].how, How::found_in_scan);
    EXPECT_EQ(found[0].stack_slot, last);
    write(last, 0x1234);
    EXPECT_TRUE(busy({function(other_, 2)}).empty());
}

TEST_F(Quiescence, ReportsAThreadWhoseStackCannotBeRead) {
    const auto expect_unexamined = [&] {
        const auto found = busy({function(other_, 2)});
        ASSERT_EQ(found.size(), 1u);
        EXPECT_EQ(found[0].how, How::unexamined);
        EXPECT_EQ(found[0].thread, 7u);
    };
    thread_.stack = {};
    expect_unexamined();
    thread_.stack = {kStack, kMaxLiveStack * 2};
    expect_unexamined();
    thread_.stack = {kStack, kStackSize + 0x1000}; // not all of it is mapped
    expect_unexamined();
    expect_busy(function(leaf_, 6), How::executing, leaf_ + 1);
}

TEST_F(Quiescence, ReportsATargetThatIsGone) {
    process_.gone = true;
    const std::vector<Forbidden> forbidden = {function(other_, 2)};
    const auto found = BusySearch(process_, forbidden, map_).run(std::span(&thread_, 1));
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code(), Code::target_gone);
}

TEST_F(Quiescence, AThreadIsFarIfNothingOfItCouldBeAnAddressInForbiddenCode) {
    const auto far = [&](const Forbidden& forbidden, const target::ThreadState& thread) {
        const std::vector<Forbidden> list = {forbidden};
        const std::vector<target::ThreadState> threads = {thread};
        const auto found = BusySearch(process_, list, map_).all_far(threads);
        EXPECT_TRUE(found);
        return found.value_or(false);
    };
    target::ThreadState elsewhere = thread_;
    elsewhere.ip = other_ + 0x1000;
    EXPECT_TRUE(far(function(other_, 2), elsewhere));
    EXPECT_FALSE(far(function(leaf_, 6), thread_)) << "it executes there";
    EXPECT_FALSE(far(function(middle_, 12), elsewhere)) << "a word of its stack";
    target::ThreadState other = elsewhere;
    other.other_ips = {other_ + 1};
    EXPECT_FALSE(far(function(other_, 2), other)) << "another instruction pointer";
    target::ThreadState registers = elsewhere;
    registers.registers[3] = other_.value + 1;
    EXPECT_FALSE(far(function(other_, 2), registers)) << "a register";
    process_.memory.clear();
    EXPECT_FALSE(far(function(other_, 2), elsewhere)) << "its stack cannot be read";

    process_.gone = true;
    const std::vector<Forbidden> list = {function(other_, 2)};
    const auto found = BusySearch(process_, list, map_).all_far(std::span(&thread_, 1));
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code(), Code::target_gone);
    EXPECT_TRUE(*BusySearch(process_, {}, map_).all_far(std::span(&thread_, 1))) << "nothing is forbidden";
}

TEST_F(Quiescence, TakesOverlappingRangesInAnyOrder) {
    const Forbidden wide{{leaf_, 0x1000}, "wide", Rule::no_ip_no_return};
    const Forbidden narrow{{leaf_ + 2, 1}, "narrow", Rule::no_ip_no_return};
    const Forbidden behind{{leaf_ + 3, 1}, "behind", Rule::no_ip_no_return};
    thread_.ip = leaf_ + 4;
    for (const auto& forbidden : {std::vector{wide, narrow, behind}, std::vector{behind, narrow, wide}}) {
        const auto found = busy(forbidden);
        ASSERT_EQ(found.size(), 1u);
        EXPECT_EQ(found[0].name, "wide");
    }
}

TEST_F(Quiescence, NamesEachBusyThreadOnce) {
    target::ThreadState quiet = thread_;
    quiet.id = 8;
    quiet.ip = other_;
    quiet.sp = kStack + kStackSize - 16;
    const std::vector<target::ThreadState> threads = {thread_, quiet, thread_};
    const std::vector<Forbidden> forbidden = {function(middle_, 12), function(leaf_, 6)};
    const auto found = BusySearch(process_, forbidden, map_).run(threads);
    ASSERT_TRUE(found);
    ASSERT_EQ(found->size(), 2u);
    EXPECT_EQ((*found)[0].at, leaf_ + 1);
}

} // namespace
} // namespace suture::patch
