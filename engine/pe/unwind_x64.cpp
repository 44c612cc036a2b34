#include "engine/pe/unwind_x64.hpp"

#include "engine/pe/limits.hpp"
#include "engine/pe/raw/directories.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::pe {

namespace {

using namespace uwop;

constexpr std::uint8_t kHandlers = 3; // UNW_FLAG_EHANDLER and UNW_FLAG_UHANDLER
constexpr std::uint8_t kChained = 4;
constexpr std::uint32_t kCodeSize = 2;

std::unexpected<Error> bad(Rva at, std::string detail) {
    return fail(Error(Code::pe_bad_directory, "unwind data: " + std::move(detail)).at(at));
}

/// How many 16-bit slots an operation takes with its operand; 0: there is no such operation.
std::uint32_t slots_of(std::uint8_t operation, std::uint8_t info, std::uint8_t version) {
    switch (operation) {
    case push_nonvol:
    case alloc_small:
    case set_fpreg:
        return 1;
    case push_machframe:
        return info <= 1 ? 1 : 0;
    case alloc_large:
        return info <= 1 ? 2u + info : 0;
    case epilog:
        return version == 2 ? 2 : 0;
    case save_nonvol:
    case save_xmm128:
        return 2;
    case save_nonvol_far:
    case save_xmm128_far:
        return 3;
    default:
        return 0;
    }
}

std::uint32_t operand_of(const UnwindCode& code, ByteView operand) {
    const std::uint32_t narrow = operand.read<std::uint16_t>(0).value_or(0);
    const std::uint32_t wide = operand.read<std::uint32_t>(0).value_or(0);
    switch (code.operation) {
    case alloc_large:
        return code.info == 0 ? narrow * 8 : wide;
    case alloc_small:
        return code.info * 8u + 8;
    case save_nonvol:
        return narrow * 8;
    case save_xmm128:
        return narrow * 16;
    case save_nonvol_far:
    case save_xmm128_far:
        return wide;
    case epilog:
        return narrow;
    default:
        return 0;
    }
}

RuntimeFunction decoded(const raw::RuntimeFunctionX64& entry) {
    return {{{entry.begin_address}, entry.end_address - entry.begin_address}, {entry.unwind_info}};
}

bool plausible(const Image& image, const raw::RuntimeFunctionX64& entry) {
    return entry.begin_address < entry.end_address && entry.end_address <= image.size_of_image() &&
           entry.unwind_info < image.size_of_image();
}

} // namespace

Result<UnwindInfo> unwind_info_at(const Image& image, Rva rva) {
    // The lowest bit would mark a reference to another entry; no linker has written that for x64 for a long time.
    if (rva.value % 4 != 0)
        return bad(rva, "UNWIND_INFO is not aligned");
    const auto bytes = image.bytes_from(rva);
    const auto header = bytes ? bytes->read<raw::UnwindInfoX64>(0) : std::nullopt;
    if (!header)
        return bad(rva, "UNWIND_INFO is not inside one section");

    UnwindInfo info;
    info.version = header->version_and_flags & 7;
    info.flags = header->version_and_flags >> 3;
    info.prolog_size = header->size_of_prolog;
    info.frame_register = header->frame_register_and_offset & 15;
    info.frame_offset = (header->frame_register_and_offset >> 4) * 16u;
    if (info.version != 1 && info.version != 2)
        return bad(rva, fmt::format("UNWIND_INFO of version {}", info.version));
    if ((info.flags & ~(kHandlers | kChained)) != 0 || ((info.flags & kChained) != 0 && (info.flags & kHandlers) != 0))
        return bad(rva, fmt::format("UNWIND_INFO with flags 0x{:x}", info.flags));

    const std::uint32_t count = header->count_of_codes;
    const auto codes = bytes->slice(sizeof(raw::UnwindInfoX64), std::uint64_t{count} * kCodeSize);
    if (!codes)
        return bad(rva, "the unwind codes are cut off");
    info.codes.reserve(count);
    for (std::uint32_t slot = 0; slot < count;) {
        const std::uint16_t word = codes->read<std::uint16_t>(std::uint64_t{slot} * kCodeSize).value_or(0);
        UnwindCode code;
        code.prolog_offset = static_cast<std::uint8_t>(word);
        code.operation = (word >> 8) & 15;
        code.info = static_cast<std::uint8_t>(word >> 12);
        const std::uint32_t slots = slots_of(code.operation, code.info, info.version);
        if (slots == 0)
            return bad(rva, fmt::format("unwind operation {} with info {}", code.operation, code.info));
        if (slots > count - slot)
            return bad(rva, "an unwind operand is cut off");
        code.operand = operand_of(code, *codes->from((std::uint64_t{slot} + 1) * kCodeSize));
        info.codes.push_back(code);
        slot += slots;
    }

    // An odd number of codes is followed by one that aligns and means nothing.
    info.size = static_cast<std::uint32_t>(sizeof(raw::UnwindInfoX64)) + (count + count % 2) * kCodeSize;
    if ((info.flags & kChained) != 0) {
        const auto entry = bytes->read<raw::RuntimeFunctionX64>(info.size);
        if (!entry || !plausible(image, *entry))
            return bad(rva, "the chained entry lies outside the image");
        info.chained = decoded(*entry);
        info.size += static_cast<std::uint32_t>(sizeof(raw::RuntimeFunctionX64));
    } else if ((info.flags & kHandlers) != 0) {
        const auto handler = bytes->read<std::uint32_t>(info.size);
        if (!handler || *handler >= image.size_of_image())
            return bad(rva, "the handler lies outside the image");
        info.handler = Rva{*handler};
        info.size += static_cast<std::uint32_t>(sizeof(std::uint32_t));
        info.handler_data = rva + info.size;
    }
    return info;
}

} // namespace suture::pe
