#include "engine/isa/x64/fill.hpp"
#include "tests/engine/isa/x64/disassembly.hpp"

#include <gtest/gtest.h>

namespace suture::isa::x64 {
namespace {

TEST(Fill, AcceptsWhatLinkersAndAssemblersPutBetweenFunctions) {
    for (const char* text : {
             "cc",
             "cc cc cc cc cc cc cc",
             "90",
             "90 90 90 90 90",
             "66 90",
             "0f 1f 00",
             "0f 1f 40 00",
             "0f 1f 44 00 00",
             "66 0f 1f 44 00 00",
             "0f 1f 80 00 00 00 00",
             "0f 1f 84 00 00 00 00 00",
             "66 0f 1f 84 00 00 00 00 00",
             "66 2e 0f 1f 84 00 00 00 00 00",
             "66 66 2e 0f 1f 84 00 00 00 00 00",
             "66 66 66 66 66 66 2e 0f 1f 84 00 00 00 00 00",
             "66 2e 0f 1f 84 00 00 00 00 00 0f 1f 40 00 90",
         })
        EXPECT_TRUE(is_fill(hex(text))) << text;
}

TEST(Fill, RefusesWhatCouldBeCodeOrData) {
    for (const char* text : {
             "",
             "00",
             "00 00 00 00 00",                                  // zeros: a table, or the end of a section
             "cc cc cc cc 90",                                  // a mixture of the two kinds
             "90 90 90 90 cc",                                  //
             "0f 1f 44 00",                                     // cut off
             "66 66 66",                                        // prefixes of nothing
             "0f 1f 40 01",                                     // nop with a displacement
             "0f 1f 05 00 00 00 00",                            // nop [rip+0]
             "0f 1f c0",                                        // nop eax
             "0f 1f 48 00",                                     // 0f 1f /1
             "f3 90",                                           // pause
             "2e 90",                                           //
             "48 90",                                           //
             "87 c0",                                           // xchg eax, eax clears half of rax
             "8b ff",                                           // mov edi, edi: likewise
             "f3 0f 1e fa",                                     // endbr64
             "66 66 66 66 66 66 66 2e 0f 1f 84 00 00 00 00 00", // 16 bytes: too long
             "c3 cc cc cc cc",                                  //
         })
        EXPECT_FALSE(is_fill(hex(text))) << text;
}

TEST(Fill, EveryNopThatIsTakenIsANopForZydisToo) {
    const Bytes prefixes[] = {{}, {0x66}, {0x2e}, {0x66, 0x2e}, {0x66, 0x66, 0x2e}};
    for (const Bytes& prefix : prefixes)
        for (unsigned modrm = 0; modrm < 256; ++modrm)
            for (unsigned sib = 0; sib < 256; ++sib) {
                Bytes code = prefix;
                code.insert(code.end(), {0x0f, 0x1f, static_cast<std::uint8_t>(modrm), static_cast<std::uint8_t>(sib)});
                code.resize(16, 0);
                const std::size_t length = nop_length(code);
                if (length == 0)
                    continue;
                const auto text = disassemble(*ByteView(code).slice(0, length), Va{});
                ASSERT_EQ(text.size(), 1u) << modrm << " " << sib;
                EXPECT_NE(text[0].find("nop"), std::string::npos) << text[0];
            }
}

TEST(Fill, SeesAWindowThatALongNopReachesInto) {
    const Bytes code = hex("c3 66 2e 0f 1f 84 00 00 00 00 00");
    EXPECT_TRUE(ends_with_fill(code, 5));
    EXPECT_TRUE(ends_with_fill(code, 10));
    EXPECT_FALSE(ends_with_fill(code, 11));
    EXPECT_FALSE(ends_with_fill(*ByteView(code).from(6), 5)) << "five zeros alone prove nothing";
    EXPECT_FALSE(ends_with_fill(hex("cc cc cc cc"), 5));
    EXPECT_FALSE(ends_with_fill(hex("cc cc cc cc cc 00"), 5));
    EXPECT_FALSE(ends_with_fill(hex("cc"), 0));
}

TEST(Fill, StartsWithWholeInstructionsThatMayExtendBeyondTheCount) {
    EXPECT_TRUE(starts_with_fill(hex("66 2e 0f 1f 84 00 00 00 00 00 48"), 3));
    EXPECT_FALSE(starts_with_fill(hex("66 2e 0f 1f 84"), 3));
    EXPECT_TRUE(starts_with_fill(hex("cc cc c3"), 2));
    EXPECT_FALSE(starts_with_fill(hex("cc cc c3"), 3));
    EXPECT_FALSE(starts_with_fill(hex("cc 90"), 2));
    EXPECT_FALSE(starts_with_fill(hex(""), 1));
}

} // namespace
} // namespace suture::isa::x64
