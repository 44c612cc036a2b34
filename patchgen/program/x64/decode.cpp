#include "patchgen/program/x64/decode.hpp"

#include "engine/isa/x64/common_form.hpp"
#include "patchgen/program/x64/zydis.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::program::x64 {

namespace {

/// Longest x86 instruction, in bytes (Intel SDM volume 2, 2.3.11).
constexpr std::uint32_t kMaxInstruction = 15;

using Form = isa::x64::CommonForm::Kind;

/// Lists of a thread, which keep their room from one stretch to the next.
struct Room {
    /// Elements of lists that are kept.
    static constexpr std::size_t kMost = 8192;
    std::vector<std::uint32_t> instructions;
    std::vector<Reference> references;

    static Room& of_thread() {
        static thread_local Room room;
        return room;
    }

    void take(DecodedCode& code) {
        const auto keep = [](auto& mine, auto& used) {
            used.clear();
            if (used.capacity() <= kMost)
                mine.swap(used);
        };
        keep(instructions, code.instructions);
        keep(references, code.references);
    }
};

class Decoding {
  public:
    explicit Decoding(const Stretch& stretch)
        : stretch_(stretch), size_(static_cast<std::uint32_t>(stretch.bytes.size())),
          furthest_branch_(stretch.reaches) {}

    DecodedCode run() {
        find_trailing_zeros();
        // What grows as it is found does so in room that the thread has already; what is kept takes no more than it
        // needs: these are most of what an image takes in memory.
        Room& room = Room::of_thread();
        code_.instructions.swap(room.instructions);
        code_.references.swap(room.references);
        walk();
        if (code_.undecoded.empty())
            add_relocated_fields();
        if (code_.undecoded.empty())
            check_branches();
        if (!std::ranges::is_sorted(code_.references))
            std::ranges::sort(code_.references);
        std::vector<std::uint32_t> instructions(code_.instructions.begin(), code_.instructions.end());
        std::vector<Reference> references(code_.references.begin(), code_.references.end());
        room.take(code_);
        code_.instructions = std::move(instructions);
        code_.references = std::move(references);
        return std::move(code_);
    }

    DecodedCode run_reached(std::span<const std::uint32_t> entries, bool past_calls) {
        std::vector<bool> seen(size_, false);
        std::vector<std::uint32_t> open(entries.begin(), entries.end());
        while (!open.empty()) {
            const std::uint32_t block = open.back();
            open.pop_back();
            const std::size_t before = code_.references.size();
            walk_block(block, past_calls, seen);
            for (std::size_t i = before; i < code_.references.size(); ++i) {
                const auto& reference = code_.references[i];
                const std::uint32_t inside = reference.target - stretch_.begin;
                if (reference.kind == ReferenceKind::branch && reference.target >= stretch_.begin && inside < size_)
                    open.push_back(inside);
            }
        }
        std::ranges::sort(code_.instructions);
        std::ranges::sort(code_.references);
        code_.undecoded.clear();
        code_.size = size_;
        return std::move(code_);
    }

    std::vector<Reference> run_possible(std::span<const std::uint32_t> instructions, std::span<const Reference> known) {
        // Each instruction may add an RVA to the image's base, which only the flow of registers would tell.
        for (const std::uint32_t offset : instructions)
            take_image_relative(offset);
        // Where a branch leads between instructions, others begin.
        for (const Reference& reference : known)
            if (const std::uint32_t inside = reference.target - stretch_.begin;
                reference.kind == ReferenceKind::branch && reference.target >= stretch_.begin && inside < size_)
                for (std::uint32_t at = inside; at < size_ && !std::ranges::binary_search(instructions, at);)
                    at += std::max(take_possible(at), 1u);
        // Behind what is understood any byte may begin one.
        std::uint32_t end = 0;
        if (!instructions.empty()) {
            ZydisDecodedInstruction last;
            end = instructions.back() + (decode_at(nullptr, instructions.back(), last) ? last.length : 1u);
        }
        for (std::uint32_t at = end; at < size_; ++at) {
            take_possible(at);
            take_image_relative(at);
        }
        for (auto field = std::ranges::lower_bound(stretch_.relocations, stretch_.begin, {}, &pe::Relocation::at);
             field != stretch_.relocations.end() && field->at - stretch_.begin < size_; ++field)
            take_relocated(field->at - stretch_.begin);
        std::ranges::sort(code_.references);
        const auto same = std::ranges::unique(code_.references);
        code_.references.erase(same.begin(), same.end());
        return std::move(code_.references);
    }

  private:
    bool decode_at(ZydisDecoderContext* context, std::uint32_t offset, ZydisDecodedInstruction& instruction) const {
        return ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&shared_decoder(), context, stretch_.bytes.data() + offset,
                                                          std::min(size_ - offset, kMaxInstruction), &instruction));
    }

    /// Length of the instruction that may begin there; 0 if none can.
    std::uint32_t take_possible(std::uint32_t offset) {
        ZydisDecodedInstruction instruction;
        ZydisDecoderContext context;
        if (!decode_at(&context, offset, instruction))
            return 0;
        take(context, instruction, offset);
        return instruction.length;
    }

    void take_image_relative(std::uint32_t offset) {
        ZydisDecodedInstruction instruction;
        if (!decode_at(nullptr, offset, instruction))
            return;
        const auto take_field = [&](std::uint8_t field, std::int64_t value) {
            if (value > 0 && value < stretch_.image_size)
                add(offset, {field, 4, instruction.length}, ReferenceKind::image_relative, Use::address, 0,
                    Rva{static_cast<std::uint32_t>(value)});
        };
        if (instruction.raw.disp.size == 32 && !is_rip_relative(instruction))
            take_field(instruction.raw.disp.offset, instruction.raw.disp.value);
        if (instruction.raw.imm[0].size == 32 && !instruction.raw.imm[0].is_relative)
            take_field(instruction.raw.imm[0].offset, instruction.raw.imm[0].value.s);
    }

    void take_relocated(std::uint32_t field) {
        const auto value = stretch_.bytes.read<std::uint64_t>(field);
        if (value && *value - stretch_.image_base.value < stretch_.image_size)
            code_.references.push_back({.offset = field,
                                        .size = 8,
                                        .kind = ReferenceKind::absolute,
                                        .use = Use::address,
                                        .addend = 0,
                                        .target = Rva{static_cast<std::uint32_t>(*value - stretch_.image_base.value)},
                                        .instruction = field});
    }

    void walk_block(std::uint32_t offset, bool past_calls, std::vector<bool>& seen) {
        bool ended = false;
        bool after_call = false;
        while (!ended && offset < size_ && !seen[offset]) {
            ZydisDecodedInstruction instruction;
            ZydisDecoderContext context;
            if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&shared_decoder(), &context, stretch_.bytes.data() + offset,
                                                            std::min(size_ - offset, kMaxInstruction), &instruction)))
                return;
            if (after_call && !past_calls && is_fill_instruction(instruction))
                return;
            after_call = instruction.meta.category == ZYDIS_CATEGORY_CALL;
            seen[offset] = true;
            if (!take(context, instruction, offset))
                return;
            code_.instructions.push_back(offset);
            offset += instruction.length;
            ended = is_terminator(instruction);
        }
    }

    void find_trailing_zeros() {
        zeros_from_ = size_;
        while (zeros_from_ > 0 && stretch_.bytes[zeros_from_ - 1] == 0)
            --zeros_from_;
    }

    void stop(std::uint32_t offset, std::string_view why) {
        code_.undecoded = fmt::format("{} at 0x{:x}", why, stretch_.begin.value + offset);
        code_.stopped_at = offset;
        if (code_.size == 0)
            code_.size = size_; // its end was not reached
    }

    void walk() {
        const auto& decoder = shared_decoder();
        auto data = stretch_.data.begin();
        std::uint32_t offset = 0;
        while (offset < size_) {
            if (data != stretch_.data.end() && offset >= data->begin) {
                if (!after_terminator_)
                    return stop(offset, "code runs into a table");
                offset = data->end;
                solid_end_ = data->end;
                ++data;
                continue;
            }
            const auto form = isa::x64::common_form(*stretch_.bytes.from(offset));
            if (form.kind != Form::other && (data == stretch_.data.end() || offset + form.length <= data->begin)) {
                code_.instructions.push_back(offset);
                if (!take(form, offset))
                    return;
                offset += form.length;
                if (ends_here(nature_of(form), offset))
                    break;
                continue;
            }
            ZydisDecodedInstruction instruction;
            ZydisDecoderContext context;
            const std::uint32_t room = std::min(size_ - offset, kMaxInstruction);
            if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, &context, stretch_.bytes.data() + offset, room,
                                                            &instruction))) {
                // A symbol without a size reaches up to the next one. What is no code, and nothing here leads to, is
                // none of its.
                if (stretch_.end == End::trimmed && after_terminator_ && !may_switch_ && offset > furthest_branch_)
                    break;
                return stop(offset, "no instruction");
            }
            if (data != stretch_.data.end() && offset + instruction.length > data->begin)
                return stop(offset, "code runs into a table");
            code_.instructions.push_back(offset);
            if (!take(context, instruction, offset))
                return;
            offset += instruction.length;
            if (ends_here(nature_of(instruction), offset))
                break;
        }
        finish(offset);
    }

    /// What an instruction has to do with where code ends.
    struct Nature {
        bool fill = false;
        bool trap = false; ///< int3
        bool call = false;
        bool terminator = false;
    };

    static Nature nature_of(const ZydisDecodedInstruction& instruction) {
        return {is_fill_instruction(instruction), instruction.mnemonic == ZYDIS_MNEMONIC_INT3,
                instruction.meta.category == ZYDIS_CATEGORY_CALL, is_terminator(instruction)};
    }

    static Nature nature_of(const isa::x64::CommonForm& form) {
        const bool trap = form.kind == Form::trap;
        return {trap, trap, form.kind == Form::call, trap || form.kind == Form::jump || form.kind == Form::ret};
    }

    /// Keeps the books on what is fill, and says whether the stretch ends behind this instruction.
    bool ends_here(Nature nature, std::uint32_t end) {
        const bool fill = nature.fill && (after_terminator_ || after_call_ || in_fill_);
        in_fill_ = fill;
        if (fill) {
            // A return address behind a call that never returns belongs to the caller.
            if (after_call_)
                solid_end_ = end;
            after_call_ = false;
            after_terminator_ = after_terminator_ || nature.trap;
            return false;
        }
        solid_end_ = end;
        after_call_ = nature.call;
        after_terminator_ = nature.terminator;
        solid_terminator_ = after_terminator_;
        solid_call_ = after_call_;
        if (!after_terminator_)
            return false;
        if (stretch_.end == End::flow)
            return end > furthest_branch_;
        return stretch_.end == End::trimmed && end > furthest_branch_ &&
               (end >= zeros_from_ || (!may_switch_ && fill_up_to_alignment(end)));
    }

    /// True if fill reaches from `offset` to where the next function would be aligned. A symbol without a size reaches
    /// up to the next one: import thunks, which may have none, lie in between.
    bool fill_up_to_alignment(std::uint32_t offset) const {
        constexpr std::uint32_t kAlignment = 16;
        const std::uint32_t begin = offset;
        while (offset < size_) {
            if (offset != begin && (stretch_.begin.value + offset) % kAlignment == 0)
                return true;
            const std::uint32_t length = fill_at(*stretch_.bytes.from(offset));
            if (length == 0)
                return false;
            offset += length;
        }
        return true;
    }

    void finish(std::uint32_t offset) {
        if (stretch_.end == End::exact) {
            code_.size = offset;
            code_.ends_in_terminator = after_terminator_;
        } else {
            // Fill that the function itself jumps to is code.
            const bool fill_used = furthest_branch_ >= solid_end_ && furthest_branch_ < offset;
            code_.size = fill_used ? offset : solid_end_;
            code_.ends_in_terminator = fill_used ? after_terminator_ : solid_terminator_;
            while (!code_.instructions.empty() && code_.instructions.back() >= code_.size)
                code_.instructions.pop_back();
            while (!code_.references.empty() && code_.references.back().instruction >= code_.size)
                code_.references.pop_back();
        }
        code_.runs_on = !solid_call_ && !code_.ends_in_terminator;
        // A table is found by the address of something that the function takes.
        code_.jumps_by_register = code_.jumps_by_register && takes_address_;
        code_.loads_entries = code_.loads_entries && takes_address_;
        code_.stopped_at = code_.size;
    }

    /// Whatever this looks for in an instruction must be in none that common_form() calls plain.
    bool take(const ZydisDecoderContext& context, const ZydisDecodedInstruction& instruction, std::uint32_t offset) {
        const std::uint32_t end = offset + instruction.length;
        if (instruction.raw.imm[0].is_relative)
            return take_branch(instruction, offset, end);
        if (is_rip_relative(instruction))
            return take_memory(context, instruction, offset, end);
        // movsxd reg, [base + index * 4]
        if (instruction.mnemonic == ZYDIS_MNEMONIC_MOVSXD && instruction.raw.modrm.rm == 4 &&
            instruction.raw.modrm.mod != 3 && instruction.raw.sib.scale == 2)
            code_.loads_entries = true;
        if (instruction.mnemonic == ZYDIS_MNEMONIC_JMP) {
            may_switch_ = true;
            if (instruction.raw.modrm.mod == 3)
                code_.jumps_by_register = true;
        }
        return true;
    }

    bool take(const isa::x64::CommonForm& form, std::uint32_t offset) {
        const std::uint32_t end = offset + form.length;
        const std::uint32_t at = offset + form.field;
        const Field field{form.field, form.field_size, form.length};
        switch (form.kind) {
        case Form::call:
        case Form::jump:
        case Form::conditional: {
            const std::int32_t distance =
                form.field_size == 1 ? *stretch_.bytes.read<std::int8_t>(at) : *stretch_.bytes.read<std::int32_t>(at);
            return add_branch(offset, field, form.kind == Form::call, end + static_cast<std::uint32_t>(distance));
        }
        case Form::memory: {
            const Use use = form.access == isa::x64::CommonForm::Access::address ? Use::address
                            : form.access == isa::x64::CommonForm::Access::read  ? Use::read
                                                                                 : Use::write;
            const bool is_lea = use == Use::address;
            return add_memory(offset, field, {use, form.access_size}, is_lea,
                              end + *stretch_.bytes.read<std::uint32_t>(at));
        }
        default:
            return true;
        }
    }

    /// Where in an instruction a distance is.
    struct Field {
        std::uint8_t offset = 0;
        std::uint8_t size = 4;   ///< bytes
        std::uint8_t length = 0; ///< of the instruction
    };

    bool take_branch(const ZydisDecodedInstruction& instruction, std::uint32_t offset, std::uint32_t end) {
        const auto& field = instruction.raw.imm[0];
        if (field.size != 8 && field.size != 32)
            return stop(offset, "branch of an unusual size"), false;
        return add_branch(offset, {field.offset, static_cast<std::uint8_t>(field.size / 8), instruction.length},
                          instruction.mnemonic == ZYDIS_MNEMONIC_CALL, end + static_cast<std::uint32_t>(field.value.s));
    }

    bool add_branch(std::uint32_t offset, Field field, bool call, std::uint32_t to) {
        const auto target = stretch_.begin + to;
        if (target.value >= stretch_.image_size)
            return stop(offset, "branch out of the image"), false;
        add(offset, field, ReferenceKind::branch, call ? Use::call : Use::jump, 0, target);
        const std::uint32_t inside = target - stretch_.begin;
        if (!call && target >= stretch_.begin && inside < size_)
            furthest_branch_ = std::max(furthest_branch_, inside);
        return true;
    }

    bool take_memory(const ZydisDecoderContext& context, const ZydisDecodedInstruction& instruction,
                     std::uint32_t offset, std::uint32_t end) {
        if (instruction.address_width != 64)
            return stop(offset, "address of an unusual size"), false;
        return add_memory(offset, {instruction.raw.disp.offset, 4, instruction.length}, access_of(context, instruction),
                          instruction.mnemonic == ZYDIS_MNEMONIC_LEA,
                          end + static_cast<std::uint32_t>(instruction.raw.disp.value));
    }

    bool add_memory(std::uint32_t offset, Field field, Access access, bool is_lea, std::uint32_t to) {
        const auto target = stretch_.begin + to;
        if (target.value >= stretch_.image_size)
            return stop(offset, "reference out of the image"), false;
        add(offset, field, ReferenceKind::rip_relative, access.use, access.size, target);
        takes_address_ = takes_address_ || is_lea;
        if (is_lea && target.value == 0)
            code_.takes_image_base = true;
        return true;
    }

    void add(std::uint32_t offset, Field field, ReferenceKind kind, Use use, std::uint32_t access_size, Rva target) {
        code_.references.push_back({.offset = offset + field.offset,
                                    .size = field.size,
                                    .kind = kind,
                                    .use = use,
                                    .access_size = access_size,
                                    .addend = -static_cast<std::int32_t>(field.length - field.offset),
                                    .target = target,
                                    .instruction = offset});
    }

    void add_relocated_fields();
    void check_branches();

    const Stretch& stretch_;
    const std::uint32_t size_;
    DecodedCode code_;
    std::uint32_t zeros_from_ = 0;
    std::uint32_t solid_end_ = 0;
    std::uint32_t furthest_branch_ = 0;
    bool solid_terminator_ = false;
    bool solid_call_ = false;
    bool takes_address_ = false;
    bool may_switch_ = false; ///< it has indirect jumps, but for those through an import's slot
    bool after_terminator_ = false;
    bool after_call_ = false;
    bool in_fill_ = false;
};

void Decoding::add_relocated_fields() {
    const std::uint64_t end = std::uint64_t{stretch_.begin.value} + code_.size;
    auto relocation = std::lower_bound(stretch_.relocations.begin(), stretch_.relocations.end(), stretch_.begin,
                                       [](const pe::Relocation& r, Rva rva) { return r.at < rva; });
    for (; relocation != stretch_.relocations.end() && relocation->at.value < end; ++relocation) {
        const std::uint32_t field = relocation->at - stretch_.begin;
        const auto next = std::upper_bound(code_.instructions.begin(), code_.instructions.end(), field);
        const std::uint32_t next_start = next == code_.instructions.end() ? code_.size : *next;
        const auto value = stretch_.bytes.read<std::uint64_t>(field);
        if (relocation->size != 8 || next == code_.instructions.begin() || field + 8 > next_start || !value)
            return stop(field, "relocated field that is no operand");
        const std::uint64_t rva = *value - stretch_.image_base.value;
        if (rva >= stretch_.image_size)
            return stop(field, "relocated field that leads out of the image");
        code_.references.push_back({.offset = field,
                                    .size = 8,
                                    .kind = ReferenceKind::absolute,
                                    .use = Use::address,
                                    .addend = 0,
                                    .target = Rva{static_cast<std::uint32_t>(rva)},
                                    .instruction = *std::prev(next)});
    }
}

void Decoding::check_branches() {
    for (const auto& reference : code_.references) {
        if (reference.kind != ReferenceKind::branch || reference.target < stretch_.begin)
            continue;
        const std::uint32_t inside = reference.target - stretch_.begin;
        if (inside >= code_.size)
            continue;
        if (!std::binary_search(code_.instructions.begin(), code_.instructions.end(), inside))
            return stop(reference.instruction, "branch into the middle of an instruction");
    }
}

} // namespace

DecodedCode decode(const Stretch& stretch) {
    return Decoding(stretch).run();
}

DecodedCode decode_reached(const Stretch& stretch, std::span<const std::uint32_t> entries, bool past_calls) {
    return Decoding(stretch).run_reached(entries, past_calls);
}

std::vector<Reference> possible_references(const Stretch& stretch, std::span<const std::uint32_t> instructions,
                                           std::span<const Reference> known) {
    return Decoding(stretch).run_possible(instructions, known);
}

std::uint32_t fill_at(ByteView bytes) {
    if (bytes.empty())
        return 0;
    if (bytes[0] == 0xcc || bytes[0] == 0x90)
        return 1;
    // NOPs start with 66 (data16 prefixes), 2e (CS prefix), 0f 1f or f3-less rex forms; anything else is code.
    if (bytes[0] != 0x66 && bytes[0] != 0x2e && bytes[0] != 0x0f)
        return 0;
    ZydisDecodedInstruction instruction;
    const auto room = std::min<std::size_t>(bytes.size(), kMaxInstruction);
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&shared_decoder(), nullptr, bytes.data(), room, &instruction)))
        return 0;
    return instruction.mnemonic == ZYDIS_MNEMONIC_NOP ? instruction.length : 0;
}

bool is_fill(ByteView bytes) {
    std::size_t offset = 0;
    while (offset < bytes.size()) {
        const std::uint32_t length = fill_at(*bytes.from(offset));
        if (length == 0)
            return false;
        offset += length;
    }
    return true;
}

} // namespace suture::program::x64
