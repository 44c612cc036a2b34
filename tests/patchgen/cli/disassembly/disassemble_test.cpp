#include "patchgen/cli/disassembly/disassemble.hpp"

#include <gtest/gtest.h>

namespace suture::cli {
namespace {

std::optional<std::string> name(std::uint64_t address) {
    return address == 0x140001010   ? std::optional<std::string>("price")
           : address == 0x140003000 ? std::optional<std::string>("page")
                                    : std::nullopt;
}

std::vector<Line> lines(Machine machine, const Bytes& bytes) {
    return disassemble(machine, bytes, Rva{0x1000}, 0x140000000, name);
}

std::string text(Machine machine, const Bytes& bytes) {
    const auto result = lines(machine, bytes);
    return result.size() == 1 ? result[0].text : "no single line";
}

TEST(DisassembleX64, NamesWhatABranchLeadsTo) {
    EXPECT_EQ(text(Machine::x64, {0xe8, 0x0b, 0, 0, 0}), "call price");
    EXPECT_EQ(text(Machine::x64, {0x74, 0x0e}), "jz price");
    EXPECT_EQ(text(Machine::x64, {0x48, 0x8d, 0x05, 0x09, 0, 0, 0}), "lea rax, [price]");
    EXPECT_EQ(lines(Machine::x64, {0xe8, 0x0b, 0, 0, 0})[0].target, 0x140001010u);
}

TEST(DisassembleX64, ShowsWhatIsNoInstructionAsData) {
    const auto result = lines(Machine::x64, {0x06, 0x90});
    ASSERT_EQ(result.size(), 2u);
    EXPECT_EQ(result[0].text, "db 0x06");
    EXPECT_EQ(result[1].text, "nop");
}

Bytes word(std::uint32_t value) {
    return {static_cast<std::uint8_t>(value), static_cast<std::uint8_t>(value >> 8),
            static_cast<std::uint8_t>(value >> 16), static_cast<std::uint8_t>(value >> 24)};
}

struct Case {
    std::uint32_t word;
    const char* text;
};

// Encodings by llvm-mc. Without LLVM the words stand for themselves.
TEST(DisassembleArm64, NamesWhatAnInstructionRefersTo) {
    const Case cases[] = {
        {0x14000004, "b price"},
        {0x94000004, "bl price"},
        {0x54000080, "b.eq price"},
        {0xb4000080, "cbz x0, price"},
        {0x35000081, "cbnz w1, price"},
        {0x36180080, "tbz w0, #0x3, price"},
        {0xb7080080, "tbnz x0, #0x21, price"},
        {0x10000080, "adr x0, price"},
        {0x58000080, "ldr x0, price"},
        {0x98000080, "ldrsw x0, price"},
        {0xd0000008, "adrp x8, page"},
    };
    for (const Case& one : cases) {
        const auto result = lines(Machine::arm64, word(one.word));
        ASSERT_EQ(result.size(), 1u);
#ifdef SUTURE_HAVE_LLVM
        EXPECT_EQ(result[0].text, one.text);
#else
        EXPECT_TRUE(result[0].text.starts_with(".word 0x")) << one.text;
        EXPECT_NE(result[0].text.find("; p"), std::string::npos) << one.text;
#endif
    }
}

TEST(DisassembleArm64, LeavesAloneWhatRefersToNothing) {
#ifdef SUTURE_HAVE_LLVM
    EXPECT_EQ(text(Machine::arm64, word(0x91002020)), "add x0, x1, #0x8");
    EXPECT_EQ(text(Machine::arm64, word(0xd65f03c0)), "ret");
    EXPECT_EQ(text(Machine::arm64, word(0xd61f0200)), "br x16");
#endif
    for (const std::uint32_t one : {0x91002020u, 0xd65f03c0u, 0xd61f0200u, 0xd63f0100u, 0x91000400u})
        EXPECT_EQ(lines(Machine::arm64, word(one))[0].target, std::nullopt);
}

TEST(DisassembleArm64, ShowsWhatIsNoInstructionAsAWord) {
    EXPECT_EQ(text(Machine::arm64, word(0xffffffff)), ".word 0xffffffff");
    const auto result = lines(Machine::arm64, {0xc0, 0x03, 0x5f, 0xd6, 0x01, 0x02});
    ASSERT_EQ(result.size(), 2u);
    EXPECT_EQ(result[1].text, "db 0x01, 0x02");
}

TEST(DataLines, AreSixteenBytesLong) {
    const auto result = data_lines(Bytes(20, 0xcc), Rva{0x1000});
    ASSERT_EQ(result.size(), 2u);
    EXPECT_EQ(result[1].at, Rva{0x1010});
    EXPECT_EQ(result[1].text, "db 0xcc, 0xcc, 0xcc, 0xcc");
}

} // namespace
} // namespace suture::cli
