#include "engine/isa/arm64/continuation.hpp"

#include "engine/isa/arm64/movable.hpp"
#include "engine/isa/arm64/words.hpp"

#include <fmt/format.h>

namespace suture::isa::arm64 {

namespace {

/// Code that grows from `at`.
struct Moved {
    Va at;
    Bytes bytes;

    Va here() const { return at + bytes.size(); }
    void put(std::uint32_t word) { append(bytes, word); }

    Result<void> put_branch(Va to) {
        SUTURE_TRY(const std::uint32_t word, branch(here(), to));
        put(word);
        return {};
    }

    Result<void> put_page(std::uint32_t reg, Va to) {
        const auto word = aimed_at(Form::adrp21, kAdrp | reg, here().value, to.value);
        if (!word)
            return fail(Code::branch_out_of_reach,
                        fmt::format("an address {:#x} taken at {:#x}", to.value, here().value));
        put(*word);
        return {};
    }

    /// adrp and add: any address within 4 GiB.
    Result<void> put_address(std::uint32_t reg, Va to) {
        SUTURE_CHECK(put_page(reg, to));
        put(kAddImmediate64 | static_cast<std::uint32_t>(to.value & 0xfff) << 10 | rn(reg) | reg);
        return {};
    }
};

/// The load or prefetch of a literal, as one from the address in `base`.
std::uint32_t load_from(std::uint32_t word, std::uint32_t base) {
    constexpr std::uint32_t kGeneral[] = {0xb940'0000, 0xf940'0000, 0xb980'0000, 0xf980'0000}; // w, x, ldrsw, prfm
    constexpr std::uint32_t kVector[] = {0xbd40'0000, 0xfd40'0000, 0x3dc0'0000, 0};            // s, d, q
    const auto& opcodes = (word & 0x0400'0000) != 0 ? kVector : kGeneral;
    return opcodes[word >> 30] | rn(base) | rd_of(word);
}

Result<void> put_relative(Moved& out, Form form, std::uint32_t word, Va target) {
    if (form == Form::adrp21)
        return out.put_page(rd_of(word), target);
    if (form == Form::adr21)
        return out.put_address(rd_of(word), target);
    const bool into_general = (word & 0x0400'0000) == 0 && word >> 30 != 3;
    const std::uint32_t base = into_general ? rd_of(word) : kScratch;
    SUTURE_CHECK(out.put_address(base, target));
    out.put(load_from(word, base));
    return {};
}

/// The branch to the place where it is taken, two instructions on; then the one back.
Result<void> put_conditional(Moved& out, Form form, std::uint32_t word, Va back, Va target) {
    out.put(*put(form, word, 2 * kInstructionSize));
    SUTURE_CHECK(out.put_branch(back));
    return out.put_branch(target);
}

} // namespace

Result<Bytes> continuation(ByteView displaced, Va entry, Va at) {
    SUTURE_CHECK(check_movable(displaced));
    const std::uint32_t word = *displaced.read<std::uint32_t>(0);
    const auto form = form_of(word);
    const bool relative = form && is_pc_relative(*form);
    const Va target{relative ? target_of(*form, word, entry.value) : 0};
    const Va back = entry + kInstructionSize;
    Moved out{at, {}};
    switch (flow_of(word)) {
    case Flow::next:
        if (relative)
            SUTURE_CHECK(put_relative(out, *form, word, target));
        else
            out.put(word);
        SUTURE_CHECK(out.put_branch(back));
        break;
    case Flow::jump:
        SUTURE_CHECK(out.put_branch(target));
        break;
    case Flow::conditional:
        SUTURE_CHECK(put_conditional(out, *form, word, back, target));
        break;
    case Flow::call:
        SUTURE_CHECK(out.put_address(kLinkRegister, back));
        if (relative)
            SUTURE_CHECK(out.put_branch(target));
        else
            out.put(word & ~0x0020'0000u); // blr becomes br, blraa becomes braa
        break;
    case Flow::end:
        out.put(word);
        break;
    }
    return std::move(out.bytes);
}

} // namespace suture::isa::arm64
