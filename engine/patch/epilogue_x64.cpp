#include "engine/patch/epilogue_x64.hpp"

#include <cstddef>

namespace suture::patch {

namespace {

constexpr std::uint8_t kRsp = 4;
constexpr std::uint8_t kRbp = 5;
/// Eight non-volatile registers besides rsp, with room for pops that only align.
constexpr std::size_t kMaxPops = 16;

/// Reads from the front of some bytes.
class Front {
  public:
    explicit Front(ByteView bytes) : bytes_(bytes) {}

    std::uint64_t at() const { return at_; }
    /// The byte `ahead`, or -1 behind the end.
    int peek(std::uint64_t ahead = 0) const { return bytes_.read<std::uint8_t>(at_ + ahead).value_or(0) | past(ahead); }
    void skip(std::uint64_t count) { at_ += count; }
    template <class T>
    std::optional<T> take() {
        const auto value = bytes_.read<T>(at_);
        at_ += sizeof(T);
        return value;
    }

  private:
    int past(std::uint64_t ahead) const { return bytes_.contains(at_ + ahead, 1) ? 0 : -1; }

    ByteView bytes_;
    std::uint64_t at_ = 0;
};

template <class T>
bool take_into(Front& code, std::int64_t& value) {
    const auto taken = code.take<T>();
    value = taken.value_or(0);
    return taken.has_value();
}

/// add rsp, imm; lea rsp, [base + disp]; mov rsp, rbp; leave. False if such an instruction is cut off.
bool read_start(Front& code, EpilogueX64& epilogue) {
    using Start = EpilogueX64::Start;
    if (code.peek() == 0x48 && code.peek(1) == 0x83 && code.peek(2) == 0xc4) {
        code.skip(3);
        epilogue.start = Start::add;
        return take_into<std::int8_t>(code, epilogue.amount);
    }
    if (code.peek() == 0x48 && code.peek(1) == 0x81 && code.peek(2) == 0xc4) {
        code.skip(3);
        epilogue.start = Start::add;
        return take_into<std::int32_t>(code, epilogue.amount);
    }
    if ((code.peek() == 0x48 || code.peek() == 0x49) && code.peek(1) == 0x8d && (code.peek(2) & 0x38) == 0x20) {
        const int mod = code.peek(2) >> 6;
        const int rm = code.peek(2) & 7;
        if (mod != 1 && mod != 2)
            return false;
        epilogue.start = Start::base;
        epilogue.base = static_cast<std::uint8_t>(rm + (code.peek() == 0x49 ? 8 : 0));
        code.skip(3);
        if (rm == 4 && code.take<std::uint8_t>() != 0x24) // SIB: base only
            return false;
        return mod == 1 ? take_into<std::int8_t>(code, epilogue.amount)
                        : take_into<std::int32_t>(code, epilogue.amount);
    }
    const bool move = code.peek() == 0x48 && ((code.peek(1) == 0x89 && code.peek(2) == 0xec) ||
                                              (code.peek(1) == 0x8b && code.peek(2) == 0xe5));
    if (move || code.peek() == 0xc9) {
        epilogue.start = Start::base;
        epilogue.base = kRbp;
        if (!move)
            epilogue.pops.push_back(kRbp);
        code.skip(move ? 3 : 1);
    }
    return true;
}

bool read_pops(Front& code, EpilogueX64& epilogue) {
    for (;;) {
        const int rex = code.peek() == 0x41 ? 1 : 0;
        const int opcode = code.peek(static_cast<std::uint64_t>(rex));
        if (opcode < 0x58 || opcode > 0x5f)
            return true;
        const auto reg = static_cast<std::uint8_t>(opcode - 0x58 + rex * 8);
        if (reg == kRsp || epilogue.pops.size() >= kMaxPops)
            return false;
        epilogue.pops.push_back(reg);
        code.skip(static_cast<std::uint64_t>(rex) + 1);
    }
}

bool read_end(Front& code, EpilogueX64& epilogue) {
    using End = EpilogueX64::End;
    if (code.peek() == 0xf3 || code.peek() == 0xf2) // rep ret, bnd ret and jmp
        code.skip(1);
    if (code.peek() == 0xc3)
        return true;
    if (code.peek() == 0xc2) {
        code.skip(1);
        const auto extra = code.take<std::uint16_t>();
        epilogue.extra = extra.value_or(0);
        return extra.has_value();
    }
    if (code.peek() == 0xeb || code.peek() == 0xe9) {
        epilogue.end = End::jump;
        const bool near = code.peek() == 0xe9;
        code.skip(1);
        const bool whole =
            near ? take_into<std::int32_t>(code, epilogue.jump) : take_into<std::int8_t>(code, epilogue.jump);
        epilogue.jump += static_cast<std::int64_t>(code.at());
        return whole;
    }
    const bool rex = (code.peek() & 0xf0) == 0x40 && code.peek() >= 0;
    epilogue.marked = rex && (code.peek() & 8) != 0;
    epilogue.end = End::indirect_jump;
    const int modrm = code.peek(rex ? 2 : 1);
    return code.peek(rex ? 1 : 0) == 0xff && modrm >= 0 && ((modrm >> 3) & 7) == 4;
}

} // namespace

std::optional<EpilogueX64> epilogue_at(ByteView bytes) {
    Front code(bytes);
    EpilogueX64 epilogue;
    if (!read_start(code, epilogue) || !read_pops(code, epilogue) || !read_end(code, epilogue))
        return std::nullopt;
    return epilogue;
}

} // namespace suture::patch
