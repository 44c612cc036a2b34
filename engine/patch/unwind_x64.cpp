#include "engine/patch/unwind_x64.hpp"

#include "engine/patch/call_forms_x64.hpp"
#include "engine/patch/epilogue_x64.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace suture::patch {

namespace {

using namespace pe::uwop;

constexpr std::size_t kRegisters = 16;
constexpr std::uint8_t kRsp = 4;
/// rbx, rsp, rbp, rsi, rdi, r12 to r15: what a call preserves.
constexpr std::uint32_t kPreserved = 0xf0f8;
/// Linkers chain an entry to its primary one; the ABI allows deeper chains.
constexpr int kMaxChain = 32;
/// What may lie above the outermost frame where its function is not known by name: home space and alignment.
constexpr std::uint64_t kMaxAboveBottom = 256;
/// Enough for the longest epilogue, and for a look at a leaf.
constexpr std::uint64_t kCodeWindow = 256;

using Failure = std::unexpected<std::string>;

struct Registers {
    Va ip;
    std::array<std::uint64_t, kRegisters> values{};
    std::uint32_t known = 0xffff; ///< bit n: values[n] is right

    Va sp() const { return {values[kRsp]}; }
    void move_sp(std::uint64_t bytes) { values[kRsp] += bytes; }
    void set(std::uint8_t number, std::uint64_t value) {
        values[number] = value;
        known |= 1u << number;
    }
    std::optional<std::uint64_t> get(std::uint8_t number) const {
        return (known >> number & 1) != 0 ? std::optional(values[number]) : std::nullopt;
    }
};

/// Registers after a call was taken back, and how the place in `ip` was left.
struct Step {
    Registers registers;
    Arrival arrival = Arrival::returning;
    EntryRole role = EntryRole::ordinary; ///< of the function that was left
};

using StepResult = std::expected<Step, std::string>;

Failure outside(Va at) {
    return Failure(fmt::format("0x{:x} is not in the live stack", at.value));
}

bool pop(Registers& registers, const StackView& stack, std::uint64_t& value) {
    const auto word = stack.word(registers.sp());
    value = word.value_or(0);
    registers.move_sp(8);
    return word.has_value();
}

StepResult returned(Registers registers, const StackView& stack, EntryRole role) {
    const Va slot = registers.sp();
    if (!pop(registers, stack, registers.ip.value))
        return outside(slot);
    return Step{registers, role == EntryRole::dispatcher ? Arrival::interrupted : Arrival::returning, role};
}

StepResult machine_frame(Registers registers, const StackView& stack, bool error_code, EntryRole role) {
    // Pushed by the processor: [error code,] rip, cs, eflags, rsp, ss.
    const Va frame = registers.sp() + (error_code ? 8 : 0);
    const auto ip = stack.word(frame);
    const auto sp = stack.word(frame + 24);
    if (!ip || !sp)
        return outside(frame);
    registers.ip = Va{*ip};
    registers.values[kRsp] = *sp;
    return Step{registers, Arrival::interrupted, role};
}

bool runs(const pe::UnwindCode& code, std::optional<std::uint32_t> offset) {
    return !offset || *offset >= code.prolog_offset;
}

/// Where saved registers are counted from, and what SET_FPREG takes the stack pointer back to.
std::expected<Va, std::string> frame_base(const Registers& registers, const pe::UnwindInfo& info,
                                          std::optional<std::uint32_t> offset) {
    const auto not_yet = [&](const pe::UnwindCode& code) { return code.operation == set_fpreg && !runs(code, offset); };
    if (info.frame_register == 0 || std::ranges::any_of(info.codes, not_yet))
        return registers.sp();
    const auto value = registers.get(info.frame_register);
    if (!value)
        return Failure(fmt::format("frame register {} is not known", info.frame_register));
    return Va{*value - info.frame_offset};
}

/// Undoes the prologue of `function` and of the entries that it is chained to, up to `offset` bytes into it.
StepResult by_unwind_codes(CodeImage& image, const pe::RuntimeFunction& function, Registers registers,
                           const StackView& stack, std::optional<std::uint32_t> offset) {
    pe::RuntimeFunction entry = function;
    for (int depth = 0; depth < kMaxChain; ++depth) {
        const pe::UnwindInfo* info = image.unwind_info_at(entry.unwind_info);
        if (!info)
            return Failure(fmt::format("unwind data at +0x{:x} is malformed", entry.unwind_info.value));
        const EntryRole role = image.role_of(entry.range.begin);
        const auto base = frame_base(registers, *info, offset);
        if (!base)
            return Failure(base.error());
        for (const pe::UnwindCode& code : info->codes) {
            if (!runs(code, offset) && code.operation != epilog)
                continue;
            std::optional<std::uint64_t> value;
            switch (code.operation) {
            case push_nonvol:
                value = stack.word(registers.sp());
                if (!value)
                    return outside(registers.sp());
                registers.move_sp(8);
                break;
            case alloc_large:
            case alloc_small:
                registers.move_sp(code.operand);
                break;
            case set_fpreg:
                if (info->frame_register == 0)
                    return Failure("unwind data sets no frame register where it says so");
                registers.values[kRsp] = base->value;
                break;
            case save_nonvol:
            case save_nonvol_far:
                value = stack.word(*base + code.operand);
                if (!value)
                    return outside(*base + code.operand);
                break;
            case push_machframe:
                return machine_frame(registers, stack, code.info != 0, role);
            case epilog: // found by its instructions instead, as in version 1
            case save_xmm128:
            case save_xmm128_far: // no address is kept there
                break;
            default:
                return Failure(fmt::format("unwind operation {}", code.operation));
            }
            if (value && code.info == kRsp)
                return Failure("unwind data restores the stack pointer");
            if (value)
                registers.set(code.info, *value);
        }
        if (!info->chained)
            return returned(registers, stack, role);
        entry = *info->chained;
        offset.reset(); // the prologue of what it is chained to has run
    }
    return Failure(fmt::format("more than {} chained unwind entries", kMaxChain));
}

/// The first byte of the entry that `function` is chained to in the end.
Rva primary_of(CodeImage& image, pe::RuntimeFunction function) {
    for (int depth = 0; depth < kMaxChain; ++depth) {
        const pe::UnwindInfo* info = image.unwind_info_at(function.unwind_info);
        if (!info || !info->chained)
            break;
        function = *info->chained;
    }
    return function.range.begin;
}

/// True if the jump that ends `epilogue` stays in the function, other than by starting it again.
bool jumps_within(CodeImage& image, const pe::RuntimeFunction& function, Va ip, const EpilogueX64& epilogue) {
    const Va target = ip + static_cast<std::uint64_t>(epilogue.jump);
    if (epilogue.end != EpilogueX64::End::jump || !image.range().contains(target))
        return false;
    const Rva primary = primary_of(image, function);
    const pe::RuntimeFunction* there = image.function_at(image.rva_of(target));
    return image.rva_of(target) != primary && there && primary_of(image, *there) == primary;
}

StepResult by_epilogue(const EpilogueX64& epilogue, Registers registers, const StackView& stack, EntryRole role) {
    if (epilogue.start == EpilogueX64::Start::add)
        registers.move_sp(static_cast<std::uint64_t>(epilogue.amount));
    if (epilogue.start == EpilogueX64::Start::base) {
        const auto base = registers.get(epilogue.base);
        if (!base)
            return Failure(fmt::format("register {} is not known", epilogue.base));
        registers.values[kRsp] = *base + static_cast<std::uint64_t>(epilogue.amount);
    }
    for (const std::uint8_t number : epilogue.pops) {
        std::uint64_t value = 0;
        const Va slot = registers.sp();
        if (!pop(registers, stack, value))
            return outside(slot);
        registers.set(number, value);
    }
    auto step = returned(registers, stack, role);
    if (step)
        step->registers.move_sp(epilogue.extra);
    return step;
}

bool follows_call(CodeMap& map, Va at) {
    const CodeImage* image = map.image_at(at - 1);
    return image && image->is_code(at - 1) && follows_call_x64(map, at).value_or(false);
}

/// What a believed step leads to.
std::expected<Arrival, std::string> checked(CodeMap& map, const StackView& stack, Va sp_before, const Step& step) {
    const Va sp = step.registers.sp();
    const Va ip = step.registers.ip;
    if (sp <= sp_before || sp > stack.end() || sp.value % 8 != 0)
        return Failure(fmt::format("the caller's stack pointer would be 0x{:x}", sp.value));
    if (ip.value == 0 && (step.role == EntryRole::thread_start || stack.end() - sp <= kMaxAboveBottom))
        return Arrival::bottom;
    const CodeImage* image = map.image_at(ip);
    if (step.arrival == Arrival::interrupted && image && image->is_code(ip))
        return Arrival::interrupted;
    if (step.arrival == Arrival::returning && follows_call(map, ip))
        return Arrival::returning;
    return Failure(fmt::format("{} is no return address", map.describe(ip)));
}

class UnwinderX64 : public Unwinder {
  public:
    explicit UnwinderX64(const target::ThreadState& thread) {
        registers_.ip = thread.ip;
        std::ranges::copy(std::span(thread.registers).first<kRegisters>(), registers_.values.begin());
        registers_.values[kRsp] = thread.sp.value;
        registers_.known = thread.volatile_registers ? 0xffffu : kPreserved;
    }

    Va ip() const override { return registers_.ip; }
    Va sp() const override { return registers_.sp(); }

    std::expected<Arrival, std::string> step(CodeMap& map, const StackView& stack, Arrival arrival) override {
        auto taken = caller(map, stack, arrival);
        if (!taken)
            return Failure(taken.error());
        const auto next = checked(map, stack, registers_.sp(), *taken);
        if (!next)
            return next;
        registers_ = taken->registers;
        registers_.known &= kPreserved;
        return next;
    }

  private:
    StepResult caller(CodeMap& map, const StackView& stack, Arrival arrival) const {
        const bool returning = arrival == Arrival::returning;
        if (!returning && map.is_leaf(registers_.ip))
            return returned(registers_, stack, EntryRole::ordinary);
        // A call may be a function's last instruction: what is behind it may belong to another one.
        const Va place = returning ? registers_.ip - 1 : registers_.ip;
        CodeImage* image = map.image_at(place);
        if (!image || !image->is_code(place))
            return Failure("not in the code of a module");
        const pe::RuntimeFunction* function = image->function_at(image->rva_of(place));
        if (!function) {
            if (returning || !looks_like_leaf_x64(image->bytes_up_to(place, kCodeWindow)))
                return Failure("no unwind data");
            return returned(registers_, stack, EntryRole::ordinary);
        }
        const std::uint32_t offset = image->rva_of(place) - function->range.begin + (returning ? 1 : 0);
        if (!returning)
            if (auto left = leaving(map, *image, *function, offset, stack))
                return *left;
        return by_unwind_codes(*image, *function, registers_, stack, offset);
    }

    /// The step where the thread is inside an epilogue; nothing if it is not.
    std::optional<StepResult> leaving(CodeMap& map, CodeImage& image, const pe::RuntimeFunction& function,
                                      std::uint32_t offset, const StackView& stack) const {
        const pe::UnwindInfo* info = image.unwind_info_at(function.unwind_info);
        if (!info || offset < info->prolog_size)
            return std::nullopt;
        const auto epilogue = epilogue_at(image.bytes_up_to(registers_.ip, kCodeWindow));
        if (!epilogue || jumps_within(image, function, registers_.ip, *epilogue))
            return std::nullopt;
        const EntryRole role = image.role_of(primary_of(image, function));
        auto left = by_epilogue(*epilogue, registers_, stack, role);
        if (epilogue->certain())
            return left;
        // A lone jump: a tail call, whose epilogue has run, or a switch or a jump to a cold part, with the frame in
        // place. Only one of the two readings should lead to a return address.
        const auto inside = by_unwind_codes(image, function, registers_, stack, offset);
        const bool left_fits = left && checked(map, stack, registers_.sp(), *left);
        const bool inside_fits = inside && checked(map, stack, registers_.sp(), *inside);
        if (left_fits && inside_fits && left->registers.sp() != inside->registers.sp())
            return StepResult(Failure("at a jump that may or may not leave the function"));
        return left_fits ? left : inside;
    }

    Registers registers_;
};

} // namespace

std::optional<bool> follows_call_x64(CodeMap& map, Va at) {
    CodeImage* image = map.image_at(at - 1);
    if (!image)
        return std::nullopt;
    const std::uint64_t size = std::min(kMaxCallSizeX64, at - image->range().begin);
    const auto bytes = image->bytes_at(at - size, size);
    return bytes ? std::optional(ends_with_call_x64(*bytes)) : std::nullopt;
}

std::unique_ptr<Unwinder> make_unwinder_x64(const target::ThreadState& thread) {
    return std::make_unique<UnwinderX64>(thread);
}

} // namespace suture::patch
