#include "engine/patch/quiescence.hpp"
#include "engine/patch/stack_walk.hpp"
#include "loader/host/process.hpp"
#include "tests/support/wine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <iostream>
#include <map>
#include <sstream>
#include <thread>

namespace suture::patch {
namespace {

using namespace std::chrono_literals;

/// What frames.exe writes for each of its threads.
struct Record {
    std::uint32_t thread;
    std::uint32_t count;
    std::array<std::uint64_t, 62> frames;
};

Walk walk_of(target::Target& target, CodeMap& map, const target::ThreadState& thread) {
    const auto live = target::read_bytes(target, thread.sp, thread.stack.end() - thread.sp);
    return walk_stack(target.machine(), map, thread, {thread.sp, live ? ByteView(*live) : ByteView()});
}

std::vector<std::uint64_t> callers_of(const Walk& walk) {
    std::vector<std::uint64_t> result;
    for (const Frame& frame : walk.frames)
        result.push_back(frame.ip.value);
    return result;
}

/// Less the first one, which is where the thread captured the others: by now it is a little further. Wine goes on
/// beyond the outermost function, by way of a zero.
std::vector<std::uint64_t> captured(const Record& record) {
    const auto first = record.frames.begin() + 1;
    return {first, std::find(first, record.frames.begin() + std::min<std::size_t>(record.count, 62), 0u)};
}

bool ends_with(std::span<const std::uint64_t> all, std::span<const std::uint64_t> end) {
    return all.size() >= end.size() && std::ranges::equal(all.last(end.size()), end);
}

TEST(StackWalkOfAProcess, FindsTheReturnAddressesThatTheThreadsThemselvesFound) {
    test::WineProcess process(test::program_path("frames.exe"), {.ready = "ready"});
    std::uint64_t address = 0;
    std::size_t count = 0, size = 0;
    std::string word;
    std::istringstream(process.last_line("records")) >> word >> std::hex >> address >> std::dec >> count >> size;
    ASSERT_EQ(size, sizeof(Record));
    ASSERT_GT(count, 10u);
    auto target = loader::open_process(static_cast<std::uint64_t>(process.pid()));
    ASSERT_TRUE(target) << target.error().message();
    std::vector<Record> records(count);
    ASSERT_TRUE((*target)->read(Va{address}, {reinterpret_cast<std::uint8_t*>(records.data()), count * size}));
    CodeMap map(**target);
    ASSERT_TRUE(map.refresh());

    std::vector<std::size_t> found(count);
    auto stop = (*target)->stop();
    ASSERT_TRUE(stop) << stop.error().message();
    for (const target::ThreadState& thread : (*stop)->threads()) {
        const Walk walk = walk_of(**target, map, thread);
        if (!walk.complete)
            std::cout << "thread " << thread.id << ": " << walk.stopped_because << '\n';
        const auto callers = callers_of(walk);
        for (std::size_t i = 0; i < count; ++i) {
            found[i] += walk.complete && ends_with(callers, captured(records[i]));
        }
    }
    EXPECT_TRUE((*stop)->resume());
    for (const Record& record : records)
        EXPECT_GE(captured(record).size(), 4u);
    // Threads of the same kind have the same callers.
    EXPECT_THAT(found, testing::Each(testing::Ge(1u)));
}

TEST(StackWalkOfAProcess, ReachesTheOutermostFunctionOfNearlyAllThreads) {
    std::size_t walks = 0, complete = 0;
    std::map<std::string, std::size_t> reasons;
    for (const std::vector<std::string>& arguments :
         std::vector<std::vector<std::string>>{{"5"}, {"4", "recurse"}, {"4", "query"}, {"2", "floating"}}) {
        test::WineProcess process(test::program_path("threads.exe"), {.arguments = arguments, .ready = "ready"});
        auto target = loader::open_process(static_cast<std::uint64_t>(process.pid()));
        ASSERT_TRUE(target) << target.error().message();
        CodeMap map(**target);
        for (int round = 0; round < 100; ++round) {
            ASSERT_TRUE(map.refresh());
            auto stop = (*target)->stop();
            ASSERT_TRUE(stop) << stop.error().message();
            for (const target::ThreadState& thread : (*stop)->threads()) {
                const Walk walk = walk_of(**target, map, thread);
                ++walks;
                complete += walk.complete;
                if (!walk.complete)
                    ++reasons[walk.stopped_because];
            }
            stop->reset();
            std::this_thread::sleep_for(1ms);
        }
        EXPECT_TRUE(process.wait_for("alive", 10s, process.output().size()));
        EXPECT_THAT(process.last_line("alive"), testing::HasSubstr(" errors 0 "));
    }
    std::cout << complete << " of " << walks << " walks are complete\n";
    for (const auto& [reason, times] : reasons)
        std::cout << "  " << times << " x " << reason << '\n';
    EXPECT_GE(complete * 100, walks * 95);
}

} // namespace
} // namespace suture::patch
