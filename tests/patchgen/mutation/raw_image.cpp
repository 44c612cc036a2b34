#include "tests/patchgen/mutation/raw_image.hpp"

#include "engine/pe/load_config.hpp"
#include "engine/pe/unwind_x64.hpp"

#include <Zydis/Zydis.h>

#include <algorithm>
#include <array>

namespace suture::test {

namespace {

using Flow = Instruction::Flow;

/// Longest string that is looked at, in bytes.
constexpr std::size_t kMaxString = 4096;
/// Bytes of a handler's data in which addresses are looked for.
constexpr std::uint32_t kMaxHandlerData = 256;
/// Fewest characters that are taken for a string.
constexpr std::size_t kMinString = 3;

void sort_unique(std::vector<Rva>& list) {
    std::ranges::sort(list);
    list.erase(std::unique(list.begin(), list.end()), list.end());
}

std::int64_t sign_extended(std::uint32_t value, unsigned bits) {
    const std::uint32_t sign = 1u << (bits - 1);
    return static_cast<std::int64_t>(value ^ sign) - sign;
}

Rva moved(Rva from, std::int64_t distance) {
    return Rva{static_cast<std::uint32_t>(from.value + distance)};
}

} // namespace

std::unique_ptr<const RawImage> RawImage::read(Bytes file, std::span<const RvaRange> extra) {
    auto raw = std::make_unique<RawImage>();
    raw->file_ = std::move(file);
    auto image = pe::Image::parse(raw->file_, pe::Layout::file);
    if (!image)
        return nullptr;
    raw->image_ = *image;
    auto functions = pe::runtime_functions_of(*image);
    auto relocations = pe::relocations_of(*image);
    auto imports = pe::imports_of(*image);
    auto exports = pe::exports_of(*image);
    if (!functions || !relocations || !imports || !exports)
        return nullptr;
    raw->runtime_functions_ = std::move(*functions);
    raw->relocations_ = std::move(*relocations);
    raw->imports_ = std::move(*imports);
    raw->exports_ = std::move(*exports);
    raw->find_stretches(extra);
    for (const RvaRange& stretch : raw->stretches_)
        if (raw->is_arm64())
            raw->disassemble_arm64(stretch);
        else
            raw->disassemble_x64(stretch);
    raw->find_linkers_data();
    raw->find_unwinding();
    for (const Instruction& one : raw->instructions_)
        if (one.target && one.flow == Flow::none)
            raw->data_references_.push_back(&one);
    std::ranges::stable_sort(raw->data_references_, {}, [](const Instruction* one) { return *one->target; });
    for (const pe::Relocation& field : raw->relocations_) {
        const pe::Section* section = raw->image_->section_at(field.at);
        if (section && !section->executable() && raw->pointer_at(field.at))
            raw->pointer_fields_.push_back(field.at);
    }
    for (const RvaRange& stretch : raw->stretches_)
        raw->entries_.push_back(stretch.begin);
    for (const pe::Export& one : raw->exports_)
        if (one.forwarder.empty() && raw->stretch_at(one.rva))
            raw->entries_.push_back(one.rva);
    for (const Instruction& one : raw->instructions_)
        if (one.flow == Flow::call && raw->stretch_at(*one.target))
            raw->entries_.push_back(*one.target);
    sort_unique(raw->entries_);
    raw->find_leads();
    return raw;
}

void RawImage::find_leads() {
    for (const Instruction& one : instructions_) {
        // What is read with a known size is found by users_of().
        if (one.target && one.access == 0)
            leads_.push_back(*one.target);
        for (const auto& [offset, size] :
             {std::pair(one.displacement, one.displacement_size), std::pair(one.immediate, one.immediate_size)})
            if (size == 4)
                if (const auto value = image_->read<std::uint32_t>(one.at + offset))
                    leads_.push_back(Rva{*value});
    }
    for (const pe::Relocation& field : relocations_)
        if (const auto to = pointer_at(field.at))
            leads_.push_back(*to);
    for (const pe::Export& one : exports_)
        leads_.push_back(one.rva);
    for (const pe::RuntimeFunction& one : runtime_functions_)
        if (const auto info = is_arm64() || one.unwind_info.value == 0
                                  ? Result<pe::UnwindInfo>(fail(Code::pe_bad_directory, ""))
                                  : pe::unwind_info_at(*image_, one.unwind_info);
            info && info->handler)
            for (std::uint32_t i = 0; i < kMaxHandlerData; i += 4)
                if (const auto word = image_->read<std::uint32_t>(info->handler_data + i))
                    leads_.push_back(Rva{*word});
    sort_unique(leads_);
}

std::optional<Rva> RawImage::first_lead(Rva begin, Rva end) const {
    const auto next = std::ranges::lower_bound(leads_, begin);
    return next != leads_.end() && *next < end ? std::optional(*next) : std::nullopt;
}

const Instruction* RawImage::reference_to(Rva target) const {
    const auto found =
        std::ranges::lower_bound(data_references_, target, {}, [](const Instruction* one) { return *one->target; });
    return found != data_references_.end() && *(*found)->target == target ? *found : nullptr;
}

void RawImage::find_stretches(std::span<const RvaRange> extra) {
    for (const pe::RuntimeFunction& one : runtime_functions_)
        stretches_.push_back(one.range);
    const auto listed = stretches_;
    for (const RvaRange& range : extra)
        if (range.size != 0 &&
            std::ranges::none_of(listed, [&](const RvaRange& other) { return range.overlaps(other); }))
            stretches_.push_back(range);
    std::ranges::sort(stretches_);
}

const RvaRange* RawImage::stretch_at(Rva rva) const {
    const auto next = std::ranges::upper_bound(stretches_, rva, {}, &RvaRange::begin);
    return next != stretches_.begin() && std::prev(next)->contains(rva) ? &*std::prev(next) : nullptr;
}

std::span<const Instruction> RawImage::instructions_in(const RvaRange& stretch) const {
    const auto first = std::ranges::lower_bound(instructions_, stretch.begin, {}, &Instruction::at);
    auto last = first;
    while (last != instructions_.end() && stretch.contains(last->at))
        ++last;
    return {first, last};
}

void RawImage::disassemble_x64(const RvaRange& stretch) {
    const auto bytes = image_->bytes_at(stretch.begin, stretch.size);
    if (!bytes)
        return;
    ZydisDecoder decoder;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    for (std::uint32_t offset = 0; offset < stretch.size;) {
        ZydisDecodedInstruction decoded;
        ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
        if (!ZYAN_SUCCESS(
                ZydisDecoderDecodeFull(&decoder, bytes->data() + offset, stretch.size - offset, &decoded, operands)))
            return;
        const Rva at = stretch.begin + offset;
        Instruction one{.at = at, .size = decoded.length};
        one.modrm = decoded.raw.modrm.offset;
        std::uint8_t opcode = decoded.raw.prefix_count;
        while (opcode < decoded.length && (*bytes)[offset + opcode] != decoded.opcode)
            ++opcode;
        one.opcode = opcode;
        const bool rip = (decoded.attributes & ZYDIS_ATTRIB_HAS_MODRM) != 0 && decoded.raw.modrm.mod == 0 &&
                         decoded.raw.modrm.rm == 5;
        if (rip) {
            one.field = decoded.raw.disp.offset;
            one.field_size = 4;
            one.target = moved(at + decoded.length, decoded.raw.disp.value);
            for (std::uint8_t i = 0; i < decoded.operand_count_visible; ++i)
                if (operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY && operands[i].mem.type == ZYDIS_MEMOP_TYPE_MEM) {
                    one.access = operands[i].size / 8;
                    one.writes = (operands[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
                }
        } else if (decoded.raw.disp.size != 0) {
            one.displacement = decoded.raw.disp.offset;
            one.displacement_size = decoded.raw.disp.size / 8;
        }
        if (decoded.raw.imm[0].size != 0) {
            if (decoded.raw.imm[0].is_relative) {
                one.field = decoded.raw.imm[0].offset;
                one.field_size = decoded.raw.imm[0].size / 8;
                one.target = moved(at + decoded.length, decoded.raw.imm[0].value.s);
                one.flow = decoded.meta.category == ZYDIS_CATEGORY_CALL        ? Flow::call
                           : decoded.meta.category == ZYDIS_CATEGORY_UNCOND_BR ? Flow::jump
                                                                               : Flow::conditional;
            } else {
                one.immediate = decoded.raw.imm[0].offset;
                one.immediate_size = decoded.raw.imm[0].size / 8;
            }
        }
        instructions_.push_back(one);
        offset += decoded.length;
    }
}

void RawImage::disassemble_arm64(const RvaRange& stretch) {
    const auto bytes = image_->bytes_at(stretch.begin, stretch.size);
    if (!bytes)
        return;
    /// The page that an adrp has put into each register, and where it did.
    struct Page {
        Rva page;
        Rva by;
    };
    std::array<std::optional<Page>, 32> pages;
    for (std::uint32_t offset = 0; offset + 4 <= stretch.size; offset += 4) {
        const Rva at = stretch.begin + offset;
        const std::uint32_t word = *bytes->read<std::uint32_t>(offset);
        Instruction one{.at = at, .size = 4};
        one.word = word;
        const auto destination = word & 31;
        const auto source = (word >> 5) & 31;
        const auto uses_page = [&](std::uint32_t low) {
            if (pages[source]) {
                one.target = pages[source]->page + low;
                one.page_of = pages[source]->by;
            }
        };
        if ((word & 0x7c000000) == 0x14000000) { // b, bl
            one.flow = (word >> 31) != 0 ? Flow::call : Flow::jump;
            one.target = moved(at, sign_extended(word & 0x03ffffff, 26) * 4);
            pages.fill(std::nullopt);
        } else if ((word & 0xff000010) == 0x54000000 || (word & 0x7e000000) == 0x34000000) { // b.cond, cbz, cbnz
            one.flow = Flow::conditional;
            one.target = moved(at, sign_extended((word >> 5) & 0x7ffff, 19) * 4);
        } else if ((word & 0x7e000000) == 0x36000000) { // tbz, tbnz
            one.flow = Flow::conditional;
            one.target = moved(at, sign_extended((word >> 5) & 0x3fff, 14) * 4);
        } else if ((word & 0x9f000000) == 0x90000000) { // adrp
            const auto pages_away = sign_extended(((word >> 29) & 3) | ((word >> 5) & 0x7ffff) << 2, 21);
            pages[destination] = Page{moved(Rva{at.value & ~0xfffu}, pages_away * 4096), at};
        } else if ((word & 0xff800000) == 0x91000000) { // add x, x, #imm12
            if ((word & 0x00400000) == 0)
                uses_page((word >> 10) & 0xfff);
            if (destination != source || pages[source])
                pages[destination].reset();
        } else if ((word & 0x3b000000) == 0x39000000) { // ldr, str with an unsigned offset
            const bool vector = ((word >> 26) & 1) != 0;
            const unsigned scale = vector && (word >> 30) == 0 && ((word >> 23) & 1) != 0 ? 4 : word >> 30;
            one.access = 1u << scale;
            one.writes = ((word >> 22) & 3) == 0 || (vector && ((word >> 22) & 1) == 0);
            uses_page(((word >> 10) & 0xfff) << scale);
            if (!one.writes && !vector)
                pages[destination].reset();
        } else {
            // Whatever else writes a register is likely to write that which its low bits name.
            pages[destination].reset();
        }
        instructions_.push_back(one);
    }
}

bool RawImage::relocated(Rva rva) const {
    const auto next = std::ranges::upper_bound(relocations_, rva, {}, &pe::Relocation::at);
    return next != relocations_.begin() && rva - std::prev(next)->at < std::prev(next)->size;
}

std::optional<Rva> RawImage::pointer_at(Rva field) const {
    const auto value = image_->read<std::uint64_t>(field);
    const auto base = image_->image_base().value;
    if (!value || *value < base || *value - base >= image_->size_of_image())
        return std::nullopt;
    return Rva{static_cast<std::uint32_t>(*value - base)};
}

void RawImage::find_linkers_data() {
    using pe::Directory;
    const auto add = [&](RvaRange range) {
        if (range.size != 0)
            linkers_.push_back(range);
    };
    for (const Directory which :
         {Directory::exports, Directory::imports, Directory::resources, Directory::exceptions, Directory::relocations,
          Directory::debug, Directory::tls, Directory::load_config, Directory::iat, Directory::delay_imports})
        add(image_->directory(which));
    const RvaRange debug = image_->directory(Directory::debug);
    for (std::uint32_t i = 0; i + 28 <= debug.size; i += 28) {
        const auto size = image_->read<std::uint32_t>(debug.begin + i + 16);
        const auto at = image_->read<std::uint32_t>(debug.begin + i + 20);
        if (size && at && *at != 0)
            add({Rva{*at}, *size});
    }
    // The loader writes these before any code of the image runs.
    if (const auto config = pe::load_config_of(*image_))
        for (const auto& field : {config->security_cookie, config->guard_check_pointer, config->guard_dispatch_pointer})
            if (field)
                add({*field, 8});
    // The tables that the load config names: function, import, long jump and continuation targets, each a pointer and
    // a count, with entries of 4 bytes and those that bits 28 to 31 of GuardFlags say.
    const RvaRange config = image_->directory(Directory::load_config);
    const auto entry = 4 + (image_->read<std::uint32_t>(config.begin + 0x90).value_or(0) >> 28);
    for (const std::uint32_t offset : {0x80u, 0xa0u, 0xb0u, 0x108u})
        if (const auto table = pointer_at(config.begin + offset);
            table && offset + 16 <= image_->read<std::uint32_t>(config.begin).value_or(0))
            add({*table, entry * image_->read<std::uint32_t>(config.begin + offset + 8).value_or(0)});
    // What emulators of other processors are told of volatile accesses: two tables.
    if (const auto volatiles = pointer_at(config.begin + 0x100);
        volatiles && 0x108 <= image_->read<std::uint32_t>(config.begin).value_or(0))
        for (const std::uint32_t offset : {8u, 16u})
            if (const auto table = image_->read<std::uint32_t>(*volatiles + offset))
                add({Rva{*table}, image_->read<std::uint32_t>(*volatiles + (offset + 4)).value_or(0)});
    // Slots of delayed imports, each list with the zero that ends it, and the lists of as many bound and original
    // slots.
    const RvaRange delayed = image_->directory(Directory::delay_imports);
    for (std::uint32_t i = 0; i + 32 <= delayed.size; i += 32)
        if (const auto slots = image_->read<std::uint32_t>(delayed.begin + i + 12); slots && *slots != 0) {
            Rva last{*slots};
            while (image_->read<std::uint64_t>(last).value_or(0) != 0)
                last = last + 8;
            add({Rva{*slots}, last - Rva{*slots} + 8});
            for (const std::uint32_t copy : {20u, 24u})
                if (const auto list = image_->read<std::uint32_t>(delayed.begin + i + copy); list && *list != 0)
                    add({Rva{*list}, last - Rva{*slots} + 8});
        }
    const RvaRange imports = image_->directory(Directory::imports);
    for (std::uint32_t i = 0; i + 20 <= imports.size; i += 20) {
        const auto lookup = image_->read<std::uint32_t>(imports.begin + i);
        const auto name = image_->read<std::uint32_t>(imports.begin + i + 12);
        if (!lookup || !name || *name == 0)
            break;
        if (const auto text = image_->string_at(Rva{*name}, kMaxString))
            add({Rva{*name}, static_cast<std::uint32_t>(text->size()) + 2});
        for (Rva field{*lookup}; field.value != 0; field = field + 8) {
            add({field, 8});
            const auto value = image_->read<std::uint64_t>(field);
            if (!value || *value == 0)
                break;
            if (*value >> 63 == 0)
                if (const auto text = image_->string_at(Rva{static_cast<std::uint32_t>(*value)} + 2, kMaxString))
                    add({Rva{static_cast<std::uint32_t>(*value)}, static_cast<std::uint32_t>(text->size()) + 4});
        }
    }
    std::ranges::sort(linkers_);
}

bool RawImage::of_linker(Rva rva) const {
    return std::ranges::any_of(linkers_, [&](const RvaRange& range) { return range.contains(rva); });
}

Rva RawImage::end_of_linkers_below(Rva at) const {
    Rva end;
    for (const RvaRange& range : linkers_)
        if (range.end() <= at.value)
            end = std::max(end, Rva{static_cast<std::uint32_t>(range.end())});
    return end;
}

void RawImage::find_unwinding() {
    for (const pe::RuntimeFunction& one : runtime_functions_) {
        const auto header = one.unwind_info.value != 0 ? image_->read<std::uint32_t>(one.unwind_info) : std::nullopt;
        if (!header)
            continue;
        const std::uint32_t scopes = (*header >> 21 & 1) != 0 ? 0 : *header >> 22 & 31;
        unwinding_.push_back({one.unwind_info, is_arm64() ? 4 + 4 * scopes + 4 * (*header >> 27)
                                                          : 4 + 4 * (((*header >> 16 & 0xff) + 1) / 2)});
    }
    std::ranges::sort(unwinding_);
}

bool RawImage::of_unwinding(Rva rva) const {
    const auto next = std::ranges::upper_bound(unwinding_, rva, {}, &RvaRange::begin);
    return next != unwinding_.begin() && std::prev(next)->contains(rva);
}

std::optional<std::uint32_t> RawImage::size_of_unwinding(Rva unwind_info) const {
    const auto next = std::ranges::upper_bound(unwinding_, unwind_info, {}, &RvaRange::begin);
    const auto header = image_->read<std::uint32_t>(unwind_info);
    if (!header || next == unwinding_.begin() || std::prev(next)->begin != unwind_info)
        return std::nullopt;
    const std::uint32_t size = std::prev(next)->size;
    if (is_arm64())
        return (*header >> 20 & 1) != 0 || *header >> 22 == 0 ? std::nullopt : std::optional(size);
    const std::uint32_t flags = *header >> 3 & 31;
    return (flags & 3) != 0 ? std::nullopt : std::optional(size + ((flags & 4) != 0 ? 12 : 0));
}

std::uint32_t RawImage::jump_table_of(const Instruction& one) const {
    constexpr std::uint32_t kFewest = 4;
    const pe::Section* section = one.target ? image_->section_at(*one.target) : nullptr;
    const RvaRange* stretch = stretch_at(one.at);
    if (!section || !stretch || section->writable() || section->executable() || one.access != 0)
        return 0;
    const auto begins = instructions_in(*stretch);
    for (std::uint32_t count = 0;; ++count) {
        const auto distance = image_->read<std::int32_t>(*one.target + 4 * count);
        const Rva to = distance ? *one.target + static_cast<std::uint32_t>(*distance) : Rva{};
        const auto at = std::ranges::lower_bound(begins, to, {}, &Instruction::at);
        if (!distance || at == begins.end() || at->at != to)
            return count >= kFewest ? count : 0;
    }
}

bool RawImage::in_one_gap(Rva first, Rva second) const {
    const auto [begin, end] = std::minmax(first, second);
    return std::ranges::none_of(
        stretches_, [&](const RvaRange& stretch) { return stretch.end() > begin.value && stretch.begin <= end; });
}

Rva RawImage::begin_of_gap(Rva at) const {
    const Rva first = image_->section_at(at)->range.begin;
    const auto next = std::ranges::upper_bound(stretches_, at, {}, &RvaRange::begin);
    return next != stretches_.begin() && std::prev(next)->end() > first.value
               ? Rva{static_cast<std::uint32_t>(std::prev(next)->end())}
               : first;
}

bool RawImage::is_fill_at(Rva rva) const {
    const Rva begin = begin_of_gap(rva);
    const auto bytes = image_->bytes_from(begin);
    if (!bytes)
        return false;
    if (is_arm64()) {
        const auto word = bytes->read<std::uint32_t>((rva - begin) & ~3u).value_or(0);
        return word == 0 || word == 0xd503201f || word == 0xcccccccc || (word & 0xffe0001f) == 0xd4200000;
    }
    ZydisDecoder decoder;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    for (std::uint32_t i = 0; begin + i <= rva;) {
        ZydisDecodedInstruction decoded;
        if ((*bytes)[i] == 0) {
            if (begin + i++ == rva)
                return true;
            continue;
        }
        if (!ZYAN_SUCCESS(
                ZydisDecoderDecodeInstruction(&decoder, nullptr, bytes->data() + i, bytes->size() - i, &decoded)))
            return false;
        i += decoded.length;
        if (begin + i > rva)
            return decoded.mnemonic == ZYDIS_MNEMONIC_NOP || decoded.mnemonic == ZYDIS_MNEMONIC_INT3;
    }
    return false;
}

std::uint32_t RawImage::string_at(Rva rva) const {
    const pe::Section* section = image_->section_at(rva);
    if (!section || section->executable() || section->writable() || of_linker(rva))
        return 0;
    const auto text = image_->string_at(rva, kMaxString);
    if (!text || text->size() < kMinString ||
        !std::ranges::all_of(*text, [](char c) { return (c >= ' ' && c <= '~') || c == '\n' || c == '\t'; }))
        return 0;
    return static_cast<std::uint32_t>(text->size()) + 1;
}

std::vector<Rva> RawImage::users_of(Rva at) const {
    std::vector<Rva> users;
    const Rva first = at.value >= kMaxString ? at - kMaxString : Rva{0};
    auto next =
        std::ranges::lower_bound(data_references_, first, {}, [](const Instruction* one) { return *one->target; });
    for (; next != data_references_.end() && *(*next)->target <= at; ++next) {
        const Instruction& one = **next;
        const std::uint32_t size = one.access != 0 ? one.access : string_at(*one.target);
        if (at - *one.target < size)
            users.push_back(one.at);
    }
    return users;
}

} // namespace suture::test
