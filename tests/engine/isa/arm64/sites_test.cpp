#include "engine/isa/isa.hpp"
#include "tests/engine/isa/arm64/code.hpp"

#include <gtest/gtest.h>

#include <array>

namespace suture::isa::arm64 {
namespace {

using test::code;

const Isa& isa() {
    return *isa_for(Machine::arm64);
}

const Site kSite{SiteKind::arm64_branch, {0x1010}, 4, {}, 4};

Result<Site> choose(const Bytes& bytes, Rva entry = {0x1010}, std::span<const std::uint32_t> inner = {}) {
    return isa().choose_site({entry, static_cast<std::uint32_t>(bytes.size()), bytes, {}, {}, inner, {}});
}

TEST(Arm64Sites, AnyFunctionOfOneInstructionHasOne) {
    for (const std::uint32_t first : {0xa9be7bfdu, 0xd503233fu, 0xd65f03c0u, 0x14000010u, 0x94000010u, 0xb0000028u}) {
        EXPECT_EQ(choose(code({first})), kSite) << std::hex << first;
        EXPECT_EQ(choose(code({first, 0xd65f03c0})), kSite) << std::hex << first;
    }
    EXPECT_FALSE(kSite.uses_pad());
    EXPECT_TRUE(isa().needs_no_stop(kSite, code({0xa9be7bfd})));
    EXPECT_EQ(kSite.original_size(), 4u);
}

TEST(Arm64Sites, RefuseWhatHasNone) {
    const Bytes ret = code({0xd65f03c0});
    constexpr std::array<std::uint32_t, 1> kInside{2};
    constexpr std::array<std::uint32_t, 1> kBehind{4};
    EXPECT_TRUE(choose(code({kNop, kNop}), {0x1010}, kBehind));
    for (const auto& result : {choose(ret, {0x1012}), choose({}), choose(Bytes{0xc0, 0x03, 0x5f}),
                               choose(ret, {0x1010}, kInside), choose(code({0xc85f7c20})), choose(code({0}))}) {
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code(), Code::site_none);
    }
    // Bytes that are there but not of the function.
    EXPECT_FALSE(isa().choose_site({{0x1010}, 3, ret, {}, {}, {}, {}}));
}

TEST(Arm64Sites, AreProvedFromTheBytesFound) {
    EXPECT_TRUE(isa().prove_site(kSite, code({0xa9be7bfd, 0xd65f03c0}), {}));
    EXPECT_TRUE(isa().prove_site(kSite, code({0xd65f03c0}), {}));
}

TEST(Arm64Sites, RefuseToProveWhatIsNone) {
    const Bytes ret = code({0xd65f03c0});
    const auto with = [](auto change) {
        Site site = kSite;
        change(site);
        return site;
    };
    for (const auto& [site, bytes] : std::initializer_list<std::pair<Site, Bytes>>{
             {with([](Site& s) { s.kind = SiteKind::x64_padded; }), ret},
             {with([](Site& s) { s.entry_size = 5; }), ret},
             {with([](Site& s) { s.displaced = 8; }), ret},
             {with([](Site& s) { s.pad = {0x1000}; }), ret},
             {with([](Site& s) { s.entry = {0x1012}; }), ret},
             {kSite, {0xc0, 0x03, 0x5f}},
             {kSite, code({0xc85f7c20})},
             {kSite, code({0})},
         }) {
        const auto result = isa().prove_site(site, bytes, {});
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code(), Code::site_unproved);
    }
}

TEST(Arm64Sites, AreWrittenAsOneBranch) {
    const Va base{0x180000000};
    for (const std::uint64_t distance :
         {std::uint64_t{0x1000000}, std::uint64_t{0x7fffffc}, 0 - std::uint64_t{0x8000000}}) {
        const auto writes = isa().encode_site(kSite, base, base + kSite.entry.value + distance, base);
        ASSERT_TRUE(writes);
        ASSERT_EQ(writes->size(), 1u);
        EXPECT_EQ(writes->front().at, kSite.entry);
        ASSERT_EQ(writes->front().bytes.size(), 4u);
        const auto jump = isa().jump_at(writes->front().bytes, base + kSite.entry.value);
        ASSERT_TRUE(jump);
        EXPECT_EQ(jump->to, base + kSite.entry.value + distance);
    }
    const auto far = isa().encode_site(kSite, base, base + kSite.entry.value + 0x8000000, base);
    ASSERT_FALSE(far);
    EXPECT_EQ(far.error().code(), Code::branch_out_of_reach);
    EXPECT_FALSE(isa().encode_site(kSite, base, base + 0x1000002, base));
}

TEST(Arm64Isa, KnowsNoOpsFillAndLengths) {
    EXPECT_EQ(isa().machine(), Machine::arm64);
    EXPECT_TRUE(isa().is_no_op(code({kNop})));
    EXPECT_FALSE(isa().is_no_op(code({0xd503245f}))); // bti c
    EXPECT_FALSE(isa().is_no_op({}));
    EXPECT_TRUE(isa().is_fill(code({kNop})));
    EXPECT_TRUE(isa().is_fill(code({0, 0, kNop})));
    EXPECT_FALSE(isa().is_fill(code({0, 0xd65f03c0})));
    EXPECT_FALSE(isa().is_fill(Bytes{0, 0, 0}));
    EXPECT_FALSE(isa().is_fill({}));
    EXPECT_EQ(isa().instruction_length(code({0xd65f03c0, 0})), 4u);
    EXPECT_FALSE(isa().instruction_length(Bytes{0xc0, 0x03, 0x5f}));
    EXPECT_FALSE(isa().instruction_length(code({0x00000042}))); // udf
    EXPECT_LT(isa().reach(), 0x8000000u);
    EXPECT_EQ(isa().veneer_size(), isa().encode_veneer(Va{0x1000}, Va{0x7fff00000000}).size());
}

} // namespace
} // namespace suture::isa::arm64
