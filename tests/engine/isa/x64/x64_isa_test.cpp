#include "engine/isa/x64/x64_isa.hpp"
#include "tests/engine/isa/x64/disassembly.hpp"

#include <gtest/gtest.h>

namespace suture::isa::x64 {
namespace {

constexpr Va kBase{0x1'8000'0000};

TEST(X64Isa, AStubWithinReachServesAnyByteOfTheModule) {
    const X64Isa isa;
    const Site site{SiteKind::x64_prologue, Rva{0}, 5, {}, 7};
    const Bytes displaced = hex("48 8b 05 00 00 00 00"); // mov rax, [rip]
    for (const Va stub : {kBase + isa.reach(), kBase - isa.reach()}) {
        EXPECT_TRUE(isa.encode_site(site, kBase, stub, kBase));
        EXPECT_TRUE(isa.encode_stub(stub, kBase));
        EXPECT_TRUE(isa.encode_continuation(displaced, kBase, stub));
    }
}

TEST(X64Isa, StubsAreOfTheSizeThatPagesAreLaidOutWith) {
    const X64Isa isa;
    EXPECT_EQ(isa.encode_stub(kBase, kBase + 0x1000)->size(), Isa::kStubSize);
}

TEST(X64Isa, NoOpsAreWholeNops) {
    const X64Isa isa;
    for (const char* text : {"66 90", "90", "0f 1f 44 00 00", "66 90 66 90"})
        EXPECT_TRUE(isa.is_no_op(hex(text))) << text;
    // mov edi, edi is no no-op here, as it is on x86: it clears the upper half of rdi
    for (const char* text : {"", "8b ff", "89 ff", "cc", "cc cc", "f3 0f 1e fa", "48 89 e5", "66 90 c3", "66"})
        EXPECT_FALSE(isa.is_no_op(hex(text))) << text;
}

TEST(X64Isa, AVeneerReachesAnything) {
    const X64Isa isa;
    const Bytes code = isa.encode_veneer(kBase, Va{0x7fff'1234'5678'9abc});
    EXPECT_EQ(code, hex("ff 25 00 00 00 00 bc 9a 78 56 34 12 ff 7f"));
    EXPECT_EQ(code.size(), isa.veneer_size());
    const auto jump = isa.jump_at(code, kBase);
    ASSERT_TRUE(jump);
    EXPECT_TRUE(jump->indirect);
    EXPECT_EQ(jump->to, kBase + 6);
}

TEST(X64Isa, InstructionLengthsWalkThroughDisplacedBytes) {
    const X64Isa isa;
    EXPECT_EQ(isa.instruction_length(hex("55 48 89 e5")), 1u);
    EXPECT_EQ(isa.instruction_length(hex("48 89 e5")), 3u);
    EXPECT_EQ(isa.instruction_length(hex("48 89")), std::nullopt);
    EXPECT_EQ(isa.instruction_length({}), std::nullopt);
}

TEST(X64Isa, FillIsWhatThePadsAreMadeOf) {
    const X64Isa isa;
    EXPECT_TRUE(isa.is_fill(hex("cc cc cc")));
    EXPECT_FALSE(isa.is_fill(hex("00 00 00")));
}

} // namespace
} // namespace suture::isa::x64
