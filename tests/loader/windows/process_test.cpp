#include "loader/host/process.hpp"
#include "loader/windows/memory.hpp"
#include "loader/windows/shadow_stacks.hpp"
#include "tests/loader/windows/other_process.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace suture::loader {
namespace {

using target::Mapping;
using target::Protection;
using test::OtherProcess;

/// Where nothing else lies in these programs.
constexpr Va kFree{0x2'0000'0000};

Bytes read(target::Target& target, Va at, std::size_t size) {
    Bytes bytes(size);
    EXPECT_TRUE(target.read(at, bytes));
    return bytes;
}

std::string code_of(const auto& result) {
    return result ? "none" : std::string(text_of(result.error().code()));
}

class WindowsProcess : public testing::Test {
  protected:
    OtherProcess other{2};
    std::unique_ptr<target::Target> target = open_process(other.pid()).value();
    Memory memory{other.handle()};
};

TEST_F(WindowsProcess, MapsCodeThatIsNotWritable) {
    const Mapping mapping{{kFree, 0x2000}, Bytes(0x1800, 0xc3), Protection::read_execute};
    ASSERT_TRUE(target->map({&mapping, 1}));
    EXPECT_EQ(read(*target, kFree, 0x1800), mapping.content);
    EXPECT_EQ(read(*target, kFree + 0x1800, 0x800), Bytes(0x800, 0));
    const auto pages = memory.query(kFree);
    ASSERT_TRUE(pages);
    EXPECT_TRUE(pages->executable());
    EXPECT_FALSE(pages->writable());
    EXPECT_FALSE(memory.protect({kFree, 0x1000}, PAGE_EXECUTE_READWRITE)) << "only a copy of its own can be written to";
    ASSERT_TRUE(target->unmap({&mapping.range, 1}));
    EXPECT_EQ(memory.query(kFree)->state, static_cast<DWORD>(MEM_FREE));
    EXPECT_TRUE(other.runs());
}

TEST_F(WindowsProcess, ReadsManyPlacesWhateverLiesBetweenThem) {
    const std::array mappings{Mapping{{kFree, 0xf000}, Bytes(0xf000, 1), Protection::read},
                              Mapping{{kFree + 0x10000, 0x1000}, Bytes(0x1000, 2), Protection::read},
                              Mapping{{kFree + 0x40000, 0x1000}, Bytes(0x1000, 3), Protection::read}};
    ASSERT_TRUE(target->map(mappings));
    Bytes between(8);
    ASSERT_FALSE(memory.read(kFree + 0xf000, between)) << "nothing is there";
    Bytes distant(8), first(16), inside(4), second(0x1000);
    const std::vector<target::Reading> readings{
        {kFree + 0x40ff8, distant}, {kFree + 0xeff0, first}, {kFree + 0xeff8, inside}, {kFree + 0x10000, second}};
    ASSERT_TRUE(target->read(readings));
    EXPECT_EQ(distant, Bytes(8, 3));
    EXPECT_EQ(first, Bytes(16, 1));
    EXPECT_EQ(inside, Bytes(4, 1));
    EXPECT_EQ(second, Bytes(0x1000, 2));
    std::ranges::fill(inside, std::uint8_t{0});
    const std::vector<target::Reading> one_is_not_there{{kFree + 0xf000, between}, {kFree, inside}};
    EXPECT_EQ(code_of(target->read(one_is_not_there)), "target-read-failed");
    EXPECT_EQ(inside, Bytes(4, 1)) << "the others are read none the less";
    EXPECT_TRUE(target->read(std::span<const target::Reading>()));
}

TEST_F(WindowsProcess, TouchesNothingThatIsThere) {
    const Mapping there{{kFree + 0x10000, 0x1000}, Bytes(0x1000, 1), Protection::read};
    ASSERT_TRUE(target->map({&there, 1}));
    const std::array both{Mapping{{kFree, 0x1000}, Bytes(0x1000, 2), Protection::read},
                          Mapping{{kFree + 0x10000, 0x1000}, Bytes(0x1000, 3), Protection::read}};
    EXPECT_EQ(code_of(target->map(both)), "target-map-failed");
    EXPECT_EQ(read(*target, there.range.begin, 0x1000), there.content);
    EXPECT_EQ(memory.query(kFree)->state, static_cast<DWORD>(MEM_FREE)) << "all of them or none";
}

TEST_F(WindowsProcess, AStopShowsEveryThreadAndWritesOnlyUntilItsEnd) {
    const Mapping mapping{{kFree, 0x1000}, Bytes(0x1000, 0x90), Protection::read_execute};
    ASSERT_TRUE(target->map({&mapping, 1}));
    {
        auto stop = target->stop();
        ASSERT_TRUE(stop) << stop.error().message();
        EXPECT_GE((*stop)->threads().size(), 3u);
        EXPECT_EQ(code_of(target->stop()), "target-stop-failed");
        EXPECT_EQ(code_of(target->register_unwind({kFree, kFree, 1})), "unwind-not-registered");
        ASSERT_TRUE((*stop)->write_code(kFree + 8, Bytes{0xcc, 0xc3}));
        ASSERT_TRUE((*stop)->resume());
    }
    EXPECT_EQ(read(*target, kFree + 8, 3), (Bytes{0xcc, 0xc3, 0x90}));
    EXPECT_FALSE(memory.query(kFree)->writable());
    EXPECT_TRUE(other.runs());
}

TEST_F(WindowsProcess, OneThatHasEndedIsGone) {
    other.end();
    EXPECT_EQ(code_of(target->modules()), "target-gone");
    EXPECT_EQ(code_of(target->stop()), "target-gone");
    EXPECT_EQ(code_of(target->register_unwind({kFree, kFree, 1})), "target-gone");
    EXPECT_EQ(code_of(open_process(other.pid())), "target-gone");
}

BOOL WINAPI with_shadow_stacks(HANDLE, PROCESS_MITIGATION_POLICY policy, void* into, SIZE_T size) {
    constexpr int kUserShadowStack = 15;
    if (policy != kUserShadowStack || size != sizeof(DWORD))
        return FALSE;
    *static_cast<DWORD*>(into) = 1;
    return TRUE;
}
BOOL WINAPI with_audited_ones(HANDLE, PROCESS_MITIGATION_POLICY, void* into, SIZE_T) {
    *static_cast<DWORD*>(into) = 2; // AuditUserShadowStack
    return TRUE;
}

TEST(ShadowStacks, AreSeenWhereTheProcessHasThem) {
    const HANDLE self = ::GetCurrentProcess();
    EXPECT_TRUE(has_shadow_stacks(self, {&with_shadow_stacks, nullptr}));
    EXPECT_FALSE(has_shadow_stacks(self, {&with_audited_ones, nullptr}));
    EXPECT_FALSE(has_shadow_stacks(self, {}));
    EXPECT_FALSE(has_shadow_stacks(self, GuardFunctions::of_system())) << "tests are built without them";
}

TEST(WindowsUnwind, IsKnownToTheProcessUntilItIsForgotten) {
    const auto target = open_process(::GetCurrentProcessId()).value();
    ASSERT_TRUE(target->registers_unwind());
    // A function of 16 bytes, its RUNTIME_FUNCTION at 0x100, and unwind data that says nothing at 0x200.
    Bytes page(0x1000, 0xcc);
    const std::array<std::uint32_t, 3> entry{0, 16, 0x200};
    std::ranges::copy_n(reinterpret_cast<const std::uint8_t*>(entry.data()), sizeof entry, page.begin() + 0x100);
    std::ranges::copy(Bytes{1, 0, 0, 0}, page.begin() + 0x200);
    const Mapping mapping{{kFree, 0x1000}, page, Protection::read_execute};
    ASSERT_TRUE(target->map({&mapping, 1}));
    const auto found = [] {
        std::uint64_t base = 0;
        return reinterpret_cast<std::uint64_t>(::RtlLookupFunctionEntry(kFree.value + 4, &base, nullptr));
    };
    const std::size_t mapped = Memory(::GetCurrentProcess()).pages().size();
    EXPECT_EQ(found(), 0u);
    const auto known = target->register_unwind({kFree, kFree + 0x100, 1});
    ASSERT_TRUE(known) << known.error().message();
    EXPECT_EQ(found(), kFree.value + 0x100);
    EXPECT_TRUE(target->unregister_unwind(kFree + 0x100));
    EXPECT_EQ(found(), 0u);
    EXPECT_TRUE(target->unregister_unwind(kFree + 0x100)) << "one that is not known is forgotten";
    const auto around = Memory(::GetCurrentProcess()).pages({kFree + 0x10000, 0x100000});
    EXPECT_TRUE(around.empty()) << "the view of a call stayed";
    EXPECT_GT(mapped, 0u);
    EXPECT_TRUE(target->unmap({&mapping.range, 1}));
}

} // namespace
} // namespace suture::loader
