#include "engine/patch/ledger.hpp"
#include "tests/support/fake_target.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace suture::patch {
namespace {

Ledger sample() {
    Ledger ledger;
    ledger.block = {Va{0x7ff6'0010'0000}, 1, 3};
    ledger.module = "a.dll";
    ledger.module_range = {Va{0x7ff6'0000'0000}, 0x20000};
    ledger.baseline = {Machine::x64, 1, 2, 0x20000, true, {3, 4}, 5};
    ledger.sections = {{{Rva{0x1000}, 0x100}, digest_of(Bytes{1})}};
    ledger.phase = Phase::live;
    ledger.active = 2;
    ledger.functions = {
        {{isa::SiteKind::x64_padded, Rva{0x1010}, 2, Rva{0x100b}, 5}, 6, {0xb8, 1, 0, 0, 0}, Bytes(5, 0xcc)},
        {{isa::SiteKind::x64_prologue, Rva{0x1020}, 5, {}, 6}, 16, {0x53, 0x55, 0x48, 0x83, 0xec, 0x20}, {}},
        {{isa::SiteKind::x64_padded, Rva{0x1050}, 2, Rva{0x104a}, 2, 6}, 6, {0x66, 0x90}, Bytes(6, 0xcc)}};
    ledger.versions = {
        {1, "one", digest_of(Bytes{2}), {Va{0x7ff6'0020'0000}, 0x3000}, {}, {}, {Va{0x7ff6'0020'1000}, {}, {}}},
        {2,
         "two",
         digest_of(Bytes{3}),
         {Va{0x7ff6'0030'0000}, 0x3000},
         {{{Va{0x7ff6'0030'0000}, 0x1000}, target::Protection::read_execute, digest_of(Bytes{4})},
          {{Va{0x7ff6'0030'2000}, 0x1000}, target::Protection::read_write, {}}},
         {{Rva{0x1060}, 0x20}},
         {Va{0x7ff6'0030'1000}, Va{0x7ff6'0030'1010}, {}},
         {{digest_of(Bytes{5}), "count", Rva{0x2000}, 8}, {{}, "", Rva{0x2ffe}, 2}}}};
    return ledger;
}

TEST(LedgerTest, ReadsBackWhatItWrote) {
    const Ledger ledger = sample();
    Bytes bytes = serialize(ledger);
    auto read = parse_ledger(bytes);
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(*read, ledger);
    bytes.resize(bytes.size() + 100); // the rest of the page
    EXPECT_TRUE(parse_ledger(bytes));
}

TEST(LedgerTest, RefusesEverySingleByteThatDiffersAndEveryTruncation) {
    const Bytes bytes = serialize(sample());
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        Bytes flipped = bytes;
        flipped[i] ^= 0x41;
        EXPECT_FALSE(parse_ledger(flipped)) << i;
        EXPECT_FALSE(parse_ledger(*ByteView(bytes).slice(0, i))) << i;
    }
}

/// Else fuzzing would begin at what is refused for its format alone.
TEST(LedgerTest, ReadsTheSeedsOfItsFuzzTarget) {
    std::size_t seeds = 0;
    for (const auto& entry : std::filesystem::directory_iterator(SUTURE_LEDGER_SEEDS)) {
        std::ifstream file(entry.path(), std::ios::binary);
        const Bytes bytes{std::istreambuf_iterator<char>(file), {}};
        const auto read = parse_ledger(bytes);
        EXPECT_TRUE(read) << entry.path() << ": " << read.error().message();
        ++seeds;
    }
    EXPECT_GE(seeds, 5u);
}

TEST(LedgerTest, RefusesUnwindTablesThatDoNotLieInPagesThatNobodyWrites) {
    const auto is_read = [](Rva at, std::uint32_t count, target::Protection protection) {
        Ledger ledger = sample();
        LedgerVersion& version = ledger.versions.back();
        version.pages.front() = {{Va{0x7ff6'0030'1000}, 0x1000}, protection, digest_of(Bytes{4})};
        version.unwind = at;
        version.unwind_count = count;
        const auto read = parse_ledger(serialize(ledger));
        EXPECT_TRUE(!read || *read == ledger);
        return read.has_value();
    };
    using enum target::Protection;
    EXPECT_TRUE(is_read(Rva{0x1000}, 1, read));
    EXPECT_TRUE(is_read(Rva{0x1100}, 0x1e0, read));
    EXPECT_TRUE(is_read(Rva{}, 0, read));
    EXPECT_FALSE(is_read(Rva{0x1000}, 1, read_write));
    EXPECT_FALSE(is_read(Rva{0x1000}, 1, read_execute));
    EXPECT_FALSE(is_read(Rva{0xffc}, 1, read));
    EXPECT_FALSE(is_read(Rva{0x1100}, 0x1e1, read));
    EXPECT_FALSE(is_read(Rva{0x3000}, 1, read));
    EXPECT_FALSE(is_read(Rva{0x1000}, 0, read));
    EXPECT_FALSE(is_read(Rva{0x1000}, ~0u, read));
}

TEST(LedgerTest, RefusesGlobalsThatDoNotLieInTheDataOfTheirVersion) {
    const auto is_refused = [](std::size_t index, Rva at, std::uint32_t size) {
        Ledger ledger = sample();
        ledger.versions[1].globals[index].at = at;
        ledger.versions[1].globals[index].size = size;
        const auto read = parse_ledger(serialize(ledger));
        return !read && read.error().code() == Code::ledger_damaged;
    };
    EXPECT_FALSE(is_refused(0, Rva{0x2008}, 0x10));
    EXPECT_TRUE(is_refused(0, Rva{0x2000}, 0)) << "empty";
    EXPECT_TRUE(is_refused(0, Rva{0}, 8)) << "code";
    EXPECT_TRUE(is_refused(0, Rva{0x1ffc}, 8)) << "before the data";
    EXPECT_TRUE(is_refused(1, Rva{0x2ffe}, 3)) << "across the end of the data";
    EXPECT_TRUE(is_refused(1, Rva{0xffff'fffe}, 0xffff'ffff)) << "elsewhere";
    EXPECT_TRUE(is_refused(0, Rva{0x2ff8}, 8)) << "in another one";
}

TEST(LedgerTest, FitsWhatItsSizeSays) {
    const Ledger ledger = sample();
    EXPECT_LE(serialize(ledger).size(), ledger_size(3, 2, 1, 1, 2));
}

TEST(LedgerTest, CellsFollowTheActiveVersionAndFallBackToContinuations) {
    Ledger ledger = sample();
    const Block& block = ledger.block;
    EXPECT_EQ(ledger.destination(0, 2), Va{0x7ff6'0030'1000});
    EXPECT_EQ(ledger.destination(1, 1), block.continuation(2));
    EXPECT_EQ(ledger.destination(0, 0), block.continuation(1));
    // A site over a no-op goes on right behind it.
    EXPECT_EQ(ledger.destination(2, 0), ledger.module_range.begin + 0x1052);

    const auto bytes = committed_bytes(ledger);
    ASSERT_TRUE(bytes);
    EXPECT_EQ(bytes->size(), block.committed().size);
    EXPECT_EQ(ByteView(*bytes).read<std::uint64_t>(0), block_mark(1));
    EXPECT_EQ(ByteView(*bytes).read<std::uint64_t>(8), 0x7ff6'0030'1000u);
    EXPECT_EQ(ByteView(*bytes).read<std::uint64_t>(16), 0x7ff6'0030'1010u);
    EXPECT_EQ(parse_ledger(*ByteView(*bytes).from(block.ledger_bytes() - block.committed().begin)).value(), ledger);
}

TEST(LedgerTest, SaysWhenTheBlockIsFull) {
    Ledger ledger = sample();
    for (int i = 0; i < 600; ++i) {
        ledger.functions.push_back(ledger.functions[0]);
        for (LedgerVersion& version : ledger.versions)
            version.cells.push_back({});
    }
    const auto bytes = committed_bytes(ledger);
    ASSERT_FALSE(bytes);
    EXPECT_EQ(bytes.error().code(), Code::block_full);
}

TEST(FindLedgersTest, FindsTheLedgersOfAllModulesAndRefusesDamagedOnes) {
    test::FakeTarget target;
    EXPECT_TRUE(find_ledgers(target)->empty());
    Ledger first = sample();
    Ledger second = sample();
    second.block.base = Va{0x7ff6'0110'0000};
    second.module = "b.dll";
    for (const Ledger& ledger : {second, first})
        target.add_pages(ledger.block.cells().begin, *committed_bytes(ledger), target::Protection::read);
    const auto ledgers = find_ledgers(target);
    ASSERT_TRUE(ledgers) << ledgers.error().message();
    EXPECT_EQ(*ledgers, (std::vector{first, second}));

    target.poke(second.block.ledger().begin, Bytes{0});
    const auto damaged = find_ledgers(target);
    ASSERT_FALSE(damaged);
    EXPECT_EQ(damaged.error().code(), Code::ledger_damaged);
}

TEST(FindLedgersTest, ABlockThatSaysItLiesElsewhereIsDamaged) {
    test::FakeTarget target;
    target.add_pages(Va{0x1234'0000}, *committed_bytes(sample()), target::Protection::read);
    const auto ledgers = find_ledgers(target);
    ASSERT_FALSE(ledgers);
    EXPECT_EQ(ledgers.error().code(), Code::ledger_damaged);
}

TEST(FindLedgersTest, ACommitThatIsPreparedAsideIsNone) {
    class WithAside : public test::FakeTarget {
      public:
        Result<target::Remains> remains() override { return target::Remains{{{Va{0x1234'0000}, 0x10000}}, {}, {}}; }
    };
    WithAside target;
    target.add_pages(Va{0x1234'0000}, *committed_bytes(sample()), target::Protection::read);
    EXPECT_TRUE(find_ledgers(target)->empty());
}

} // namespace
} // namespace suture::patch
