#include "engine/patch/unwind_arm64.hpp"

#include "engine/patch/call_forms_arm64.hpp"
#include "engine/pe/unwind_steps_arm64.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace suture::patch {

namespace {

using Step = pe::UnwindStepArm64;

constexpr std::size_t kGeneral = 31; ///< x0 to x30
constexpr std::uint8_t kFramePointer = 29;
constexpr std::uint8_t kLinkRegister = 30;
/// x19 to x29: what a call preserves.
constexpr std::uint32_t kPreserved = 0x3ff8'0000;
constexpr std::uint32_t kAll = 0x7fff'ffff;
/// What may lie above the outermost frame where its function is not known by name.
constexpr std::uint64_t kMaxAboveBottom = 256;
constexpr std::uint64_t kStackAlignment = 16;
/// Enough for a look at a leaf.
constexpr std::uint64_t kCodeWindow = 256;
// CONTEXT of Arm64 (winnt.h): x0 to x30, then sp and pc.
constexpr std::uint64_t kContextRegisters = 8;
constexpr std::uint64_t kContextSp = kContextRegisters + 8 * kGeneral;
constexpr std::uint64_t kContextPc = kContextSp + 8;

using Failure = std::unexpected<std::string>;

struct Registers {
    Va ip;
    Va sp;
    std::array<std::uint64_t, kGeneral> values{};
    std::uint32_t known = kAll; ///< bit n: values[n] is right

    void set(std::uint8_t number, std::uint64_t value) {
        values[number] = value;
        known |= 1u << number;
    }
    std::optional<std::uint64_t> get(std::uint8_t number) const {
        return (known >> number & 1) != 0 ? std::optional(values[number]) : std::nullopt;
    }
};

/// Registers after a call was taken back, and how the place in `ip` was left.
struct Taken {
    Registers registers;
    Arrival arrival = Arrival::returning;
    EntryRole role = EntryRole::ordinary; ///< of the function that was left
};

using TakenResult = std::expected<Taken, std::string>;

Failure outside(Va at) {
    return Failure(fmt::format("0x{:x} is not in the live stack", at.value));
}

/// To where x30 says, which a function signs once it has saved it, and sometimes before.
TakenResult returned(Registers registers, EntryRole role, Arrival arrival = Arrival::returning) {
    const auto link = registers.get(kLinkRegister);
    if (!link)
        return Failure("the return address is not known");
    registers.ip = Va{*link & address_bits(Machine::arm64)};
    if (arrival == Arrival::interrupted)
        registers.known &= ~(1u << kLinkRegister);
    return Taken{registers, arrival, role};
}

TakenResult machine_frame(Registers registers, const StackView& stack, EntryRole role) {
    const Va frame = registers.sp;
    const auto sp = stack.word(frame);
    const auto ip = stack.word(frame + 8);
    if (!sp || !ip)
        return outside(frame);
    registers.sp = Va{*sp};
    registers.ip = Va{*ip};
    registers.known &= ~(1u << kLinkRegister);
    return Taken{registers, Arrival::interrupted, role};
}

TakenResult context(Registers registers, const StackView& stack, EntryRole role) {
    const Va frame = registers.sp;
    if (!stack.word(frame + kContextPc))
        return outside(frame);
    for (std::uint8_t i = 0; i < kGeneral; ++i)
        registers.set(i, *stack.word(frame + kContextRegisters + 8 * std::uint64_t{i}));
    registers.sp = Va{*stack.word(frame + kContextSp)};
    registers.ip = Va{*stack.word(frame + kContextPc)};
    return Taken{registers, Arrival::interrupted, role};
}

/// Undoes what is left to be undone `offset` bytes into `function`.
TakenResult by_unwind_codes(CodeImage& image, const pe::RuntimeFunction& function, Registers registers,
                            const StackView& stack, std::uint32_t offset) {
    const pe::UnwindInfoArm64* info = image.unwind_info_of(function);
    const auto steps = info ? pe::unwind_steps_arm64(*info, offset) : std::nullopt;
    if (!steps)
        return Failure(fmt::format("unwind data of +0x{:x} is malformed", function.range.begin.value));
    const EntryRole role = image.role_of(function.range.begin);
    Arrival arrival = Arrival::returning;
    for (const Step& step : *steps) {
        switch (step.kind) {
        case Step::Kind::nothing:
        case Step::Kind::signed_return: // a signature lies outside of the address in any case
            break;
        case Step::Kind::restore:
            for (std::size_t i = 0; i < step.registers.size(); ++i) {
                if (step.registers[i] == Step::kNone)
                    continue;
                const Va slot = registers.sp + step.offset + 8 * i;
                const auto value = stack.word(slot);
                if (!value)
                    return outside(slot);
                registers.set(step.registers[i], *value);
            }
            registers.sp = registers.sp + step.size;
            break;
        case Step::Kind::to_frame: {
            const auto frame = registers.get(kFramePointer);
            if (!frame)
                return Failure("the frame pointer is not known");
            registers.sp = Va{*frame - step.offset};
            break;
        }
        case Step::Kind::machine_frame:
            return machine_frame(registers, stack, role);
        case Step::Kind::context:
            return context(registers, stack, role);
        case Step::Kind::interrupted:
            arrival = Arrival::interrupted;
            break;
        case Step::Kind::unknown:
            return Failure("an unwind operation that cannot be undone here");
        }
    }
    return returned(registers, role, arrival);
}

bool follows_call(CodeMap& map, Va at) {
    const CodeImage* image = map.image_at(at - 1);
    return image && image->is_code(at - 1) && follows_call_arm64(map, at).value_or(false);
}

/// What a believed step leads to. `moved`: the stack pointer must have risen.
std::expected<Arrival, std::string> checked(CodeMap& map, const StackView& stack, Va sp_before, bool moved,
                                            const Taken& taken) {
    const Va sp = taken.registers.sp;
    const Va ip = taken.registers.ip;
    if (sp < sp_before || (moved && sp == sp_before) || sp > stack.end() || sp.value % kStackAlignment != 0)
        return Failure(fmt::format("the caller's stack pointer would be 0x{:x}", sp.value));
    if (ip.value == 0 && (taken.role == EntryRole::thread_start || stack.end() - sp <= kMaxAboveBottom))
        return Arrival::bottom;
    const CodeImage* image = map.image_at(ip);
    if (taken.arrival == Arrival::interrupted && image && image->is_code(ip))
        return Arrival::interrupted;
    if (taken.arrival == Arrival::returning && follows_call(map, ip))
        return Arrival::returning;
    return Failure(fmt::format("{} is no return address", map.describe(ip)));
}

class UnwinderArm64 : public Unwinder {
  public:
    explicit UnwinderArm64(const target::ThreadState& thread) {
        registers_.ip = thread.ip;
        registers_.sp = thread.sp;
        std::ranges::copy(std::span(thread.registers).first<kGeneral>(), registers_.values.begin());
        registers_.known = thread.volatile_registers ? kAll : kPreserved | 1u << kLinkRegister;
        start_ = registers_;
    }

    Va ip() const override { return registers_.ip; }
    Va sp() const override { return registers_.sp; }

    std::vector<Va> loose() const override {
        std::vector<Va> found;
        for (std::uint8_t i = 0; i < kGeneral; ++i)
            if (const auto value = start_.get(i))
                found.push_back(Va{*value & address_bits(Machine::arm64)});
        return found;
    }

    std::expected<Arrival, std::string> step(CodeMap& map, const StackView& stack, Arrival arrival) override {
        auto taken = caller(map, stack, arrival);
        if (!taken)
            return Failure(taken.error());
        // A leaf keeps nothing on the stack; what has called somebody has kept at least its return address there.
        const bool moved = arrival == Arrival::returning || taken->arrival != Arrival::returning;
        const auto next = checked(map, stack, registers_.sp, moved, *taken);
        if (!next)
            return next;
        registers_ = taken->registers;
        if (*next == Arrival::returning)
            registers_.known &= kPreserved;
        return next;
    }

  private:
    TakenResult caller(CodeMap& map, const StackView& stack, Arrival arrival) const {
        const bool returning = arrival == Arrival::returning;
        if (!returning && map.is_leaf(registers_.ip))
            return returned(registers_, EntryRole::ordinary);
        // A call may be a function's last instruction: what is behind it may belong to another one.
        const Va place = returning ? registers_.ip - kInstructionSizeArm64 : registers_.ip;
        CodeImage* image = map.image_at(place);
        if (!image || !image->is_code(place))
            return Failure("not in the code of a module");
        const pe::RuntimeFunction* function = image->function_at(image->rva_of(place));
        if (!function) {
            if (returning || !looks_like_leaf_arm64(image->bytes_up_to(place, kCodeWindow)))
                return Failure("no unwind data");
            return returned(registers_, EntryRole::ordinary);
        }
        const std::uint32_t offset = image->rva_of(registers_.ip) - function->range.begin;
        return by_unwind_codes(*image, *function, registers_, stack, offset);
    }

    Registers registers_;
    Registers start_; ///< as the thread was stopped
};

} // namespace

std::optional<bool> follows_call_arm64(CodeMap& map, Va at) {
    if (at.value % kInstructionSizeArm64 != 0)
        return false;
    CodeImage* image = map.image_at(at - 1);
    const auto bytes = image ? image->bytes_at(at - kInstructionSizeArm64, kInstructionSizeArm64) : std::nullopt;
    return bytes ? std::optional(is_call_arm64(*bytes->read<std::uint32_t>(0))) : std::nullopt;
}

std::unique_ptr<Unwinder> make_unwinder_arm64(const target::ThreadState& thread) {
    return std::make_unique<UnwinderArm64>(thread);
}

} // namespace suture::patch
