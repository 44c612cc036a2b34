#include "patchgen/emit/arm64/pages.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace suture::emit::arm64 {
namespace {

using program::ReferenceKind;

constexpr Address kBaselinePage{false, {0x3000}};
constexpr Address kPackagePage{true, {0x3000}};

/// A function whose users of pages lead where they are told.
struct Code {
    program::Function function;
    std::vector<Address> addresses;

    void adrp(std::uint32_t offset) {
        function.references.push_back({.offset = offset, .kind = ReferenceKind::arm64_page21, .target = {}});
        addresses.emplace_back();
    }
    void user(std::uint32_t offset, Address to, std::vector<std::uint32_t> pages) {
        function.references.push_back({.offset = offset, .kind = ReferenceKind::arm64_low12_load, .target = {}});
        addresses.push_back(to);
        for (const std::uint32_t page : pages)
            function.page_uses.push_back({page, offset});
        std::ranges::sort(function.page_uses);
    }
    Pages plan(const std::set<std::uint32_t>& apart = {}) const { return plan_pages(function, addresses, apart); }
};

TEST(Pages, AnAdrpGetsThePageOfItsUsers) {
    Code code;
    code.adrp(0);
    code.user(4, {false, {0x3010}}, {0});
    code.user(8, {false, {0x3ff8}}, {0});
    const Pages pages = code.plan();
    EXPECT_EQ(pages.by_adrp.at(0), kBaselinePage);
    EXPECT_TRUE(pages.parted.empty());
}

TEST(Pages, SamePageOfAnotherImageIsAnotherPage) {
    Code code;
    code.adrp(0);
    code.user(4, {false, {0x3010}}, {0});
    code.user(8, {true, {0x3010}}, {0});
    const Pages pages = code.plan();
    EXPECT_EQ(pages.by_adrp.at(0), kBaselinePage);
    EXPECT_EQ(pages.parted, std::set<std::uint32_t>{8});
}

TEST(Pages, MostUsersDecide) {
    Code code;
    code.adrp(0);
    code.user(4, {false, {0x3010}}, {0});
    code.user(8, {true, {0x3010}}, {0});
    code.user(12, {true, {0x3020}}, {0});
    const Pages pages = code.plan();
    EXPECT_EQ(pages.by_adrp.at(0), kPackagePage);
    EXPECT_EQ(pages.parted, std::set<std::uint32_t>{4});
}

TEST(Pages, AdrpsThatFeedOneUserHaveOnePage) {
    Code code;
    code.adrp(0);
    code.adrp(4);
    code.adrp(8);
    code.user(12, {false, {0x3010}}, {0, 4});
    code.user(16, {false, {0x3020}}, {0});
    code.user(20, {true, {0x3030}}, {4});
    code.user(24, {true, {0x3030}}, {8});
    const Pages pages = code.plan();
    EXPECT_EQ(pages.by_adrp.at(0), kBaselinePage);
    EXPECT_EQ(pages.by_adrp.at(4), kBaselinePage);
    EXPECT_EQ(pages.by_adrp.at(8), kPackagePage);
    EXPECT_EQ(pages.parted, std::set<std::uint32_t>{20});
}

TEST(Pages, WhoIsApartHasNoSay) {
    Code code;
    code.adrp(0);
    code.user(4, {true, {0x3010}}, {0});
    code.user(8, {true, {0x3010}}, {0});
    code.user(12, {false, {0x3020}}, {0});
    const Pages pages = code.plan({4, 8});
    EXPECT_EQ(pages.by_adrp.at(0), kBaselinePage);
    EXPECT_EQ(pages.parted, (std::set<std::uint32_t>{4, 8}));
}

TEST(Pages, AnAdrpWhoseUsersAreAllApartLeadsWhereTheyLead) {
    Code code;
    code.adrp(0);
    code.user(4, {true, {0x3010}}, {0});
    EXPECT_EQ(code.plan({4}).by_adrp.at(0), kPackagePage);
}

TEST(Pages, AnAdrpWithoutUsersHasNoPage) {
    Code code;
    code.adrp(0);
    EXPECT_TRUE(code.plan().by_adrp.empty());
}

} // namespace
} // namespace suture::emit::arm64
