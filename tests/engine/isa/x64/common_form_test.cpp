#include "engine/isa/x64/common_form.hpp"

#include <Zydis/Zydis.h>
#include <gtest/gtest.h>

#include <array>
#include <iomanip>
#include <sstream>
#include <string>

namespace suture::isa::x64 {
namespace {

using Kind = CommonForm::Kind;
using Access = CommonForm::Access;

/// The same by Zydis.
struct Decoded {
    CommonForm form;
    ZydisMnemonic mnemonic = ZYDIS_MNEMONIC_INVALID;
};

CommonForm::Kind kind_of(const ZydisDecodedInstruction& raw) {
    if (raw.raw.imm[0].is_relative)
        return raw.meta.category == ZYDIS_CATEGORY_CALL ? Kind::call
               : raw.mnemonic == ZYDIS_MNEMONIC_JMP     ? Kind::jump
                                                        : Kind::conditional;
    if (raw.mnemonic == ZYDIS_MNEMONIC_RET)
        return Kind::ret;
    if (raw.mnemonic == ZYDIS_MNEMONIC_INT3)
        return Kind::trap;
    const bool ends = raw.mnemonic == ZYDIS_MNEMONIC_JMP || raw.mnemonic == ZYDIS_MNEMONIC_UD2 ||
                      raw.mnemonic == ZYDIS_MNEMONIC_HLT || raw.mnemonic == ZYDIS_MNEMONIC_INT ||
                      raw.mnemonic == ZYDIS_MNEMONIC_IRETQ;
    if (ends || raw.mnemonic == ZYDIS_MNEMONIC_NOP || raw.mnemonic == ZYDIS_MNEMONIC_MOVSXD ||
        raw.meta.category == ZYDIS_CATEGORY_CALL)
        return Kind::other;
    const bool rip = (raw.attributes & ZYDIS_ATTRIB_HAS_MODRM) != 0 && raw.raw.modrm.mod == 0 && raw.raw.modrm.rm == 5;
    return rip ? Kind::memory : Kind::plain;
}

/// Of what cannot be decoded, the length is 0.
CommonForm by_zydis(ByteView code) {
    static const ZydisDecoder decoder = [] {
        ZydisDecoder made;
        ZydisDecoderInit(&made, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
        return made;
    }();
    ZydisDecodedInstruction raw;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code.data(), code.size(), &raw, operands)))
        return {};
    CommonForm form{.kind = kind_of(raw), .length = raw.length};
    form.head = raw.raw.disp.size != 0     ? raw.raw.disp.offset
                : raw.raw.imm[0].size != 0 ? raw.raw.imm[0].offset
                                           : raw.length;
    if (raw.raw.imm[0].is_relative) {
        form.field = raw.raw.imm[0].offset;
        form.field_size = static_cast<std::uint8_t>(raw.raw.imm[0].size / 8);
    }
    if (form.kind != Kind::memory)
        return form;
    form.field = raw.raw.disp.offset;
    form.field_size = static_cast<std::uint8_t>(raw.raw.disp.size / 8);
    for (std::size_t i = 0; i < raw.operand_count_visible; ++i) {
        const ZydisDecodedOperand& operand = operands[i];
        if (operand.type != ZYDIS_OPERAND_TYPE_MEMORY || operand.mem.type != ZYDIS_MEMOP_TYPE_MEM ||
            raw.mnemonic == ZYDIS_MNEMONIC_LEA)
            continue;
        form.access = (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0 ? Access::write : Access::read;
        form.access_size = static_cast<std::uint8_t>(operand.size / 8);
        break;
    }
    return form;
}

std::string text(ByteView code) {
    std::ostringstream out;
    for (const std::uint8_t byte : code)
        out << std::hex << std::setw(2) << std::setfill('0') << unsigned{byte} << ' ';
    return out.str();
}

bool same(const CommonForm& a, const CommonForm& b) {
    return a.kind == b.kind && a.length == b.length && a.head == b.head && a.field == b.field &&
           a.field_size == b.field_size && a.access == b.access && a.access_size == b.access_size;
}

/// Most text of forms that are not as they should be.
constexpr std::size_t kMaxWrong = 4096;

/// How many forms are common, and which of them Zydis sees in another way.
struct Comparison {
    std::size_t common = 0;
    std::string wrong;

    void compare(ByteView code) {
        const CommonForm form = common_form(code);
        if (form.kind == Kind::other && form.length != 0) {
            const CommonForm other = by_zydis(code);
            if ((form.length != other.length || form.head != other.head) && wrong.size() < kMaxWrong)
                wrong += text(code) + '\n';
        }
        if (form.kind == Kind::other)
            return;
        ++common;
        EXPECT_LE(form.head, CommonForm::kMaxHead);
        if (!same(form, by_zydis(code)) && wrong.size() < kMaxWrong)
            wrong += text(code) + '\n';
    }
};

TEST(CommonFormTest, AgreesWithZydisForEveryPrefixOpcodeAndOperand) {
    constexpr std::array<std::uint8_t, 8> kSib{0x00, 0x05, 0x0d, 0x24, 0x25, 0x65, 0xc4, 0xff};
    Comparison all;
    for (const int prefix : {0, 0x66, 0xf2, 0xf3, 0xf0, 0x2e, 0x67})
        for (const int rex : {0, 0x40, 0x41, 0x44, 0x48, 0x49, 0x4c, 0x4f})
            for (int two_bytes = 0; two_bytes < 2; ++two_bytes)
                for (unsigned opcode = 0; opcode < 256; ++opcode)
                    for (unsigned modrm = 0; modrm < 256; ++modrm)
                        for (const std::uint8_t sib : kSib) {
                            std::array<std::uint8_t, 16> code{};
                            std::size_t at = 0;
                            if (prefix != 0)
                                code[at++] = static_cast<std::uint8_t>(prefix);
                            if (rex != 0)
                                code[at++] = static_cast<std::uint8_t>(rex);
                            if (two_bytes != 0)
                                code[at++] = 0x0f;
                            code[at++] = static_cast<std::uint8_t>(opcode);
                            code[at++] = static_cast<std::uint8_t>(modrm);
                            code[at++] = sib;
                            std::fill(code.begin() + static_cast<std::ptrdiff_t>(at), code.end(), std::uint8_t{0x11});
                            all.compare(ByteView(code).slice(0, 15).value());
                            if (modrm >> 6 == 3 || (modrm & 7) != 4)
                                break; // there is no SIB byte
                        }
    EXPECT_EQ(all.wrong, "");
    EXPECT_GT(all.common, 500'000u);
}

TEST(CommonFormTest, NeedsAllBytesOfTheInstruction) {
    const std::array<std::uint8_t, 7> code{0x48, 0x8b, 0x05, 0x11, 0x22, 0x33, 0x44}; // mov rax, [rip+0x44332211]
    for (std::size_t size = 0; size < code.size(); ++size)
        EXPECT_EQ(common_form(ByteView(code).slice(0, size).value()).kind, Kind::other) << size;
    const CommonForm form = common_form(code);
    EXPECT_EQ(form.kind, Kind::memory);
    EXPECT_EQ(form.length, 7);
    EXPECT_EQ(form.field, 3);
    EXPECT_EQ(form.access, Access::read);
    EXPECT_EQ(form.access_size, 8);
}

TEST(CommonFormTest, TellsTheHeadOfWhatHasToBeDecoded) {
    const std::array<std::uint8_t, 8> load{0x48, 0x63, 0x84, 0x81, 0x11, 0x22, 0x33, 0x44}; // movsxd rax, [rcx+4*rax+n]
    const CommonForm form = common_form(load);
    EXPECT_EQ(form.kind, Kind::other);
    EXPECT_EQ(form.head, 4);
    EXPECT_EQ(form.length, 8);
}

TEST(CommonFormTest, LeavesWhatHasTwoPrefixesOfAKind) {
    EXPECT_EQ(common_form(std::array<std::uint8_t, 5>{0x66, 0x66, 0x89, 0xc0, 0x90}).kind, Kind::other);
    EXPECT_EQ(common_form(std::array<std::uint8_t, 5>{0x48, 0x48, 0x89, 0xc0, 0x90}).kind, Kind::other);
    EXPECT_EQ(common_form(std::array<std::uint8_t, 5>{0xf3, 0x66, 0x0f, 0x58, 0xc0}).kind, Kind::other);
}

} // namespace
} // namespace suture::isa::x64
