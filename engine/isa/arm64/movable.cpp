#include "engine/isa/arm64/movable.hpp"

#include "engine/isa/arm64/words.hpp"

#include <fmt/format.h>

#include <string_view>

namespace suture::isa::arm64 {

namespace {

constexpr std::uint32_t kBranchRegister = 0xd600'0000; // bits 31:25
constexpr std::uint32_t kBranchRegisterMask = 0xfe00'0000;
// Bits 24:21 of such a branch.
constexpr std::uint32_t kToRegister = 0, kCallRegister = 1, kReturn = 2, kToSigned = 8, kCallSigned = 9;

struct Pattern {
    std::uint32_t mask;
    std::uint32_t value;
    std::string_view why;
};

constexpr Pattern kTied[] = {
    // Encoding groups (bits 28:25) that hold no instruction; the first has SME where bit 31 is set.
    {0x9e00'0000, 0x0000'0000, "it is no instruction"},
    {0x1e00'0000, 0x0200'0000, "it is no instruction"},
    {0x1e00'0000, 0x0600'0000, "it is no instruction"},
    // ldxr, ldxp, stxr, stxp and their kin; casp shares the group.
    {0x3fa0'0000, 0x0800'0000, "an exclusive access"},
    {0xbfa0'0000, 0x8820'0000, "an exclusive access"},
    {0x3b20'0c00, 0x1900'0400, "a part of a memory copy"},
    {0xffff'fc00, 0x0420'bc00, "a prefix of its successor"}, // movprfx
    {0xff3e'e000, 0x0410'2000, "a prefix of its successor"},
    {0xffff'ffff, 0xd503'24ff, "a prefix of its successor"}, // pacm
    // paciasppc, pacibsppc, pacnbiasppc, pacnbibsppc; aut*sppc, aut*sppcr; reta*sppc
    {0xffff'fbff, 0xdac1'a3fe, "it signs its own address"},
    {0xffff'fbff, 0xdac1'83fe, "it signs its own address"},
    {0xffff'fbe0, 0xdac1'9060, "it checks an address"},
    {0xff80'001f, 0xf380'001f, "it checks an address"},
    {0xff00'0000, 0x5500'0000, "it checks an address"},
    {0x7c00'0000, 0x7400'0000, "a branch of a kind that is not known"}, // cb<cc>
    {0xff00'0000, 0xdc00'0000, "it is no instruction"},                 // the one literal load that is not defined
};

std::unexpected<Error> unmovable(std::string_view why) {
    return fail(Code::site_unproved, fmt::format("the instruction at the entry cannot be moved: {}", why));
}

Result<void> check_branch_register(std::uint32_t word) {
    const std::uint32_t kind = word >> 21 & 15;
    switch (kind) {
    case kToRegister:
    case kCallRegister:
    case kReturn:
        if ((word & 0x001f'fc1f) == 0x001f'0000)
            break;
        // The authenticated forms: braaz, blraaz; retaa, retab.
        if ((word & 0x001f'f800) != 0x001f'0800 || rd_of(word) != 31 || (kind == kReturn && rn_of(word) != 31))
            return unmovable("a branch of a kind that is not known");
        break;
    case kToSigned:
    case kCallSigned:
        if ((word & 0x001f'f800) != 0x001f'0800)
            return unmovable("a branch of a kind that is not known");
        break;
    default:
        return unmovable("a branch of a kind that is not known");
    }
    const bool is_register_call = kind == kCallRegister || kind == kCallSigned;
    if (is_register_call && (rn_of(word) == kLinkRegister || rd_of(word) == kLinkRegister))
        return unmovable("a call through the link register");
    return {};
}

/// Bytes that a load of a literal reads.
std::uint32_t literal_size(std::uint32_t word) {
    const std::uint32_t opc = word >> 30;
    if ((word & 0x0400'0000) != 0)
        return 4u << opc;
    return opc == 3 ? 0 : opc == 1 ? 8 : 4; // 3: prfm, which reads nothing that shows
}

Result<void> check_relative(Form form, std::uint32_t word) {
    const std::int64_t distance = get(form, word);
    if (form == Form::literal19) {
        const std::int64_t size = literal_size(word);
        if (size != 0 && distance < std::int64_t{kInstructionSize} && distance + size > 0)
            return unmovable("it reads its own function's entry");
        const bool general = (word & 0x0400'0000) == 0;
        if (general && size != 0 && rd_of(word) == kZeroRegister)
            return unmovable("a load into no register");
    }
    if ((form == Form::adr21 || form == Form::adrp21) && rd_of(word) == kZeroRegister)
        return unmovable("an address into no register");
    return {};
}

} // namespace

Flow flow_of(std::uint32_t word) {
    const auto form = form_of(word);
    if (form == Form::branch26)
        return is_call(word) ? Flow::call : Flow::jump;
    if (form == Form::branch19 || form == Form::branch14)
        return Flow::conditional;
    if ((word & kBranchRegisterMask) != kBranchRegister)
        return Flow::next;
    const std::uint32_t kind = word >> 21 & 15;
    return kind == kCallRegister || kind == kCallSigned ? Flow::call : Flow::end;
}

Result<void> check_movable(ByteView displaced) {
    const auto word = displaced.read<std::uint32_t>(0);
    if (!word || displaced.size() != kInstructionSize)
        return fail(Code::site_unproved, fmt::format("{} displaced bytes", displaced.size()));
    for (const Pattern& tied : kTied)
        if ((*word & tied.mask) == tied.value)
            return unmovable(tied.why);
    if ((*word & kBranchRegisterMask) == kBranchRegister)
        return check_branch_register(*word);
    const auto form = form_of(*word);
    return form && is_pc_relative(*form) ? check_relative(*form, *word) : Result<void>{};
}

} // namespace suture::isa::arm64
