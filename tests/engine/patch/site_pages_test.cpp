// Sites that are put down by whole pages, while threads run in them.
#include "engine/patch/site_pages.hpp"
#include "tests/support/fake_target.hpp"

#include <gtest/gtest.h>

namespace suture::patch {
namespace {

using suture::test::FakeTarget;
using target::Protection;

constexpr Va kCode{0x7ff6'0000'0000};
constexpr std::uint64_t kPageSize = FakeTarget::kPage;

/// A process with four pages of 0xcc, and what its code was like before each operation.
struct SitePages : testing::Test {
    SitePages() {
        process.add_pages(kCode, Bytes(4 * kPageSize, 0xcc), Protection::read_execute);
        process.before_call = [this](unsigned, std::string_view operation) -> std::optional<Error> {
            if (operation == "replace")
                before_replace.push_back(process.peek(kCode, 4 * kPageSize));
            return std::nullopt;
        };
    }

    static SiteWrite write(std::uint64_t offset, Bytes after, std::size_t function) {
        return {kCode + offset, Bytes(after.size(), 0xcc), after, function};
    }
    std::uint8_t at(std::uint64_t offset) { return process.peek(kCode + offset, 1).front(); }

    FakeTarget process;
    std::vector<Bytes> before_replace;
};

TEST_F(SitePages, WhatLiesInOnePageIsSeenAtOnce) {
    const std::vector<SiteWrite> writes{write(0x10, {1, 2, 3, 4, 5}, 0), write(0x15, {6, 7}, 0),
                                        write(0x20, {8, 9}, 1)};
    ASSERT_TRUE(write_by_pages(process, writes));
    EXPECT_EQ(before_replace.size(), 1u);
    EXPECT_EQ(process.peek(kCode + 0xf, 9), (Bytes{0xcc, 1, 2, 3, 4, 5, 6, 7, 0xcc}));
    EXPECT_EQ(at(0x20), 8);
    EXPECT_TRUE(process.staged().empty());
    EXPECT_EQ(process.stops(), 0u);
}

TEST_F(SitePages, APadIsThereBeforeTheEntryThatLeadsToIt) {
    // Each page holds the pad of one function and the entry of the other.
    const std::vector<SiteWrite> writes{write(0x0ff0, {1, 1, 1, 1, 1}, 0), write(0x1010, {2, 2}, 0),
                                        write(0x1ff0, {3, 3, 3, 3, 3}, 1), write(0x0010, {4, 4}, 1)};
    ASSERT_TRUE(write_by_pages(process, writes));
    for (const Bytes& code : before_replace) {
        EXPECT_FALSE(code[0x1010] == 2 && code[0x0ff0] != 1);
        EXPECT_FALSE(code[0x0010] == 4 && code[0x1ff0] != 3);
    }
    EXPECT_EQ(at(0x1010), 2);
    EXPECT_EQ(at(0x0010), 4);
}

TEST_F(SitePages, AnEntryAcrossTwoPagesIsSeenAtOnce) {
    const std::vector<SiteWrite> writes{write(0x1100, {1, 1, 1, 1, 1}, 0), write(0x1fff, {2, 2}, 0)};
    ASSERT_TRUE(write_by_pages(process, writes));
    for (const Bytes& code : before_replace)
        EXPECT_EQ(code[0x1fff], code[0x2000]);
    EXPECT_EQ(process.peek(kCode + 0x1ffe, 4), (Bytes{0xcc, 2, 2, 0xcc}));
}

TEST_F(SitePages, RefusesBytesThatAreNotWhatTheyWere) {
    process.poke(kCode + 0x15, Bytes{0x90});
    const std::vector<SiteWrite> writes{write(0x15, {6, 7}, 0)};
    const auto done = write_by_pages(process, writes);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code(), Code::identity_function_differs);
    EXPECT_EQ(at(0x15), 0x90);
}

TEST_F(SitePages, RefusesAPageThatChangesWhileItsSuccessorIsPrepared) {
    const auto count = process.before_call;
    process.before_call = [&](unsigned call, std::string_view operation) {
        if (operation == "stage")
            process.poke(kCode + 0x800, Bytes{0x90});
        return count(call, operation);
    };
    const std::vector<SiteWrite> writes{write(0x15, {6, 7}, 0)};
    const auto done = write_by_pages(process, writes);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code(), Code::identity_function_differs);
    EXPECT_EQ(at(0x15), 0xcc);
    EXPECT_EQ(at(0x800), 0x90);
    EXPECT_TRUE(process.staged().empty());
}

TEST_F(SitePages, UndoesWhatIsThereEntryBeforePad) {
    const std::vector<SiteWrite> writes{write(0x0ff0, {1, 1, 1, 1, 1}, 0), write(0x1010, {2, 2}, 0),
                                        write(0x2010, {3, 3}, 1)};
    ASSERT_TRUE(write_by_pages(process, std::span(writes).first(2)));
    before_replace.clear();
    const auto undo = writes_to_undo(process, writes);
    ASSERT_TRUE(undo);
    EXPECT_EQ(undo->size(), 2u);
    ASSERT_TRUE(write_by_pages(process, *undo));
    for (const Bytes& code : before_replace)
        EXPECT_FALSE(code[0x1010] == 2 && code[0x0ff0] != 1);
    EXPECT_EQ(process.peek(kCode, 4 * kPageSize), Bytes(4 * kPageSize, 0xcc));

    process.poke(kCode + 0x1010, Bytes{0x90, 0x90});
    const auto foreign = writes_to_undo(process, writes);
    ASSERT_FALSE(foreign);
    EXPECT_EQ(foreign.error().code(), Code::verification_failed);
}

TEST_F(SitePages, OnlyCodeThatNobodyCanWriteToIsReplaced) {
    process.add_pages(kCode + 4 * kPageSize, Bytes(kPageSize), Protection::read_write);
    process.add_pages(kCode + 6 * kPageSize, Bytes(kPageSize), Protection::read_execute);
    const auto regions = process.regions();
    ASSERT_TRUE(regions);
    EXPECT_TRUE(in_plain_code(*regions, {kCode, 4 * kPageSize}));
    EXPECT_TRUE(in_plain_code(*regions, {kCode + 6 * kPageSize + 0x10, 5}));
    EXPECT_FALSE(in_plain_code(*regions, {kCode + 4 * kPageSize - 1, 2}));
    EXPECT_FALSE(in_plain_code(*regions, {kCode + 5 * kPageSize, 2}));
    EXPECT_FALSE(in_plain_code(*regions, {kCode - 1, 2}));
    EXPECT_FALSE(in_plain_code(*regions, {kCode + 7 * kPageSize - 1, 2}));
}

} // namespace
} // namespace suture::patch
