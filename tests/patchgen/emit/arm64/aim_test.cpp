#include "patchgen/emit/arm64/aim.hpp"

#include <gtest/gtest.h>

namespace suture::emit::arm64 {
namespace {

using package::Fixup;
using package::FixupKind;

constexpr Rva kAt{0x1008};

struct Aimed {
    std::optional<std::uint32_t> word;
    std::vector<Fixup> fixups;
};

Aimed aimed(std::uint32_t word, Address to) {
    Aimed result;
    result.word = aim(word, kAt, to, result.fixups);
    return result;
}

TEST(Aim, ComputesDistancesWithinThePackage) {
    struct Case {
        std::uint32_t before;
        Rva to;
        std::uint32_t after;
    };
    const Case cases[] = {
        {0x94123456, {0x1000}, 0x97fffffe}, // bl
        {0x14000000, {0x2008}, 0x14000400}, // b
        {0x5400000a, {0x1010}, 0x5400004a}, // b.ge
        {0xb4ffffe3, {0x1010}, 0xb4000043}, // cbz x3
        {0x37180005, {0x1004}, 0x371fffe5}, // tbnz w5, #3
        {0x10000004, {0x1009}, 0x30000004}, // adr x4
        {0x90000007, {0x4123}, 0xf0000007}, // adrp x7
        {0x58000009, {0x1028}, 0x58000109}, // ldr x9, literal
    };
    for (const Case& one : cases) {
        const Aimed result = aimed(one.before, {true, one.to});
        EXPECT_EQ(result.word, one.after) << std::hex << one.before;
        EXPECT_TRUE(result.fixups.empty());
    }
}

TEST(Aim, MakesFixupsAgainstTheBaseline) {
    const Aimed call = aimed(0x94123456, {false, {0x5678}});
    EXPECT_EQ(call.word, 0x94000000u);
    EXPECT_EQ(call.fixups, (std::vector{Fixup{FixupKind::arm64_branch26, kAt, {0x5678}, 0}}));
    const Aimed page = aimed(0xf0ffffe7, {false, {0x5678}});
    EXPECT_EQ(page.word, 0x90000007u);
    EXPECT_EQ(page.fixups, (std::vector{Fixup{FixupKind::arm64_page21, kAt, {0x5000}, 0}}));
}

TEST(Aim, OnlyPagesAndLongBranchesReachTheBaseline) {
    for (const std::uint32_t word : {0x5400000au, 0xb4ffffe3u, 0x37180005u, 0x10000004u, 0x58000009u}) {
        const Aimed result = aimed(word, {false, {0x1010}});
        EXPECT_FALSE(result.word) << std::hex << word;
        EXPECT_TRUE(result.fixups.empty());
    }
}

TEST(Aim, RefusesWhatIsTooFar) {
    EXPECT_FALSE(aimed(0x37180005, {true, {0x9008}}).word);   // tbnz: 32 KiB
    EXPECT_FALSE(aimed(0x5400000a, {true, {0x101008}}).word); // b.ge: 1 MiB
    EXPECT_FALSE(aimed(0x10000004, {true, {0x101008}}).word); // adr
    EXPECT_TRUE(aimed(0x37180005, {true, {0x9004}}).word);
    EXPECT_TRUE(aimed(0x5400000a, {true, {0x101004}}).word);
    EXPECT_TRUE(aimed(0x10000004, {true, {0x101007}}).word);
}

TEST(Aim, RefusesWhatIsNotAligned) {
    EXPECT_FALSE(aimed(0x14000000, {true, {0x1012}}).word);
    EXPECT_FALSE(aimed(0x58000009, {true, {0x1011}}).word);
}

TEST(Aim, RefusesWhatHoldsNoDistance) {
    EXPECT_FALSE(aimed(0x91000000, {true, {0x1010}}).word); // add
    EXPECT_FALSE(aimed(0xd65f03c0, {true, {0x1010}}).word); // ret
}

} // namespace
} // namespace suture::emit::arm64
