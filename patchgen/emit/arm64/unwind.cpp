#include "patchgen/emit/arm64/unwind.hpp"

#include "engine/pe/unwind_arm64.hpp"
#include "patchgen/emit/arm64/frame.hpp"
#include "patchgen/emit/unwind_range.hpp"
#include "patchgen/program/stack_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace suture::emit::arm64 {

namespace {

constexpr std::uint32_t kWord = 4;
constexpr std::uint32_t kMaxPackedWords = 0x7ff;
constexpr std::uint32_t kFragment = 2;         // Flag of a packed entry
constexpr std::uint32_t kPackedRange = 0x1fff; // Flag and function length
constexpr std::uint32_t kMaxShortCodes = 31;   // code words that the first word of a record can count
constexpr std::uint32_t kMaxCodes = 255;       // and the second
constexpr std::uint8_t kNop = 0xe3;

/// Exception data present: bit 20 of a record, in its third byte.
constexpr std::uint8_t kHasHandler = 1 << 4;

/// Bytes of the record that are copied as they are: not the RVA of the handler behind the codes.
std::uint32_t size_without_handler(const pe::UnwindInfoArm64& info) {
    return info.handler ? info.handler_at : info.size;
}

/// Veneers of instructions that one entry covers.
struct Group {
    const pe::RuntimeFunction* entry = nullptr;
    std::uint32_t begin = 0; ///< in the function's veneers
    std::uint32_t end = 0;
};

/// Those of code without unwind data need none.
std::vector<Group> groups_of(const Veneers& veneers) {
    std::vector<Group> groups;
    const program::Function& function = *veneers.function;
    for (std::size_t i = 0; i < veneers.parts.size(); ++i) {
        const auto* entry =
            pe::runtime_function_at(function.unwind, function.range.begin + veneers.parts[i].instruction);
        if (!entry)
            continue;
        const std::uint32_t end = i + 1 < veneers.parts.size() ? veneers.parts[i + 1].offset
                                                               : static_cast<std::uint32_t>(veneers.code.size());
        if (!groups.empty() && groups.back().entry == entry)
            groups.back().end = end;
        else
            groups.push_back({entry, veneers.parts[i].offset, end});
    }
    return groups;
}

/// A record for `size` bytes of code within the frame that the codes undo.
Bytes fragment_record(std::uint32_t size, const Bytes& codes) {
    Bytes record;
    const auto put = [&](std::uint32_t word) {
        for (unsigned shift = 0; shift < 32; shift += 8)
            record.push_back(static_cast<std::uint8_t>(word >> shift));
    };
    const auto words = static_cast<std::uint32_t>((codes.size() + kWord - 1) / kWord);
    const bool is_short = words <= kMaxShortCodes;
    put(size / kWord | (is_short ? words << 27 : 0));
    if (!is_short)
        put(words << 16);
    record.insert(record.end(), codes.begin(), codes.end());
    record.resize(record.size() + (words * kWord - codes.size()), kNop);
    return record;
}

Result<void> lay_out_veneers(const program::Program& updated, const Veneers& veneers, Layout& layout) {
    const program::Function& function = *veneers.function;
    for (const Veneers::Part& part : veneers.parts) {
        const Rva at = function.range.begin + part.instruction;
        const auto* entry = pe::runtime_function_at(function.unwind, at);
        if (!entry)
            continue;
        SUTURE_TRY(const Frame frame, frame_of(updated.image(), *entry));
        if (!frame.stands_at(at - entry->range.begin))
            return unwind_unsupported(updated, function, at,
                                      "an instruction of a prologue or epilogue would need a veneer");
        if (layout.handlers.contains(entry->unwind_info))
            return unwind_unsupported(
                updated, function, at,
                "an instruction would need a veneer, which the function's handler does not guard");
    }
    for (const Group& group : groups_of(veneers)) {
        SUTURE_TRY(const Frame frame, frame_of(updated.image(), *group.entry));
        const std::uint32_t size = group.end - group.begin;
        if (frame.codes.empty() ? size / kWord > kMaxPackedWords : frame.codes.size() > kMaxCodes * kWord)
            return unwind_unsupported(updated, function, group.entry->range.begin,
                                      "its veneers do not fit in an entry of unwind data");
        layout.veneer_unwind.push_back(
            frame.codes.empty() ? Rva{}
                                : layout.rdata.take(fragment_record(size, frame.codes).size(), kUnwindAlignment));
    }
    return {};
}

} // namespace

Result<void> lay_out_unwind(const program::Program& updated, const diff::ChangeSet& changes, Layout& layout) {
    for (const diff::EmittedFunction& function : changes.functions) {
        for (const pe::RuntimeFunction& entry : function.updated->unwind) {
            SUTURE_TRY(const pe::UnwindInfoArm64 info, pe::unwind_info_arm64_of(updated.image(), entry));
            const auto handler = layout.handlers.find(entry.unwind_info);
            if (info.handler && handler == layout.handlers.end() && !program::only_checks_stack(updated, *info.handler))
                return unwind_unsupported(updated, *function.updated, entry.range.begin,
                                          "an exception or termination handler");
            if (info.packed != 0 || layout.unwind.contains(entry.unwind_info))
                continue;
            Rva at;
            if (info.handler && handler != layout.handlers.end()) {
                SUTURE_TRY(at, take_with_handler(updated, entry, info.size, *handler->second, layout));
            } else {
                at = layout.rdata.take(size_without_handler(info), kUnwindAlignment);
            }
            layout.unwind.emplace(entry.unwind_info, at);
        }
        if (const Veneers* veneers = layout.veneers_of(*function.updated))
            SUTURE_CHECK(lay_out_veneers(updated, *veneers, layout));
    }
    return {};
}

Result<std::vector<pe::RuntimeFunction>> write_unwind(const program::Program& updated, const diff::ChangeSet& changes,
                                                      const Layout& layout, Bytes& rdata) {
    std::vector<pe::RuntimeFunction> entries;
    auto veneer_record = layout.veneer_unwind.begin();
    for (const diff::EmittedFunction& function : changes.functions) {
        for (const pe::RuntimeFunction& entry : function.updated->unwind) {
            const RvaRange range = *emitted_range(changes, layout, entry.range);
            if (entry.packed != 0) {
                entries.push_back({range, {}, entry.packed});
                continue;
            }
            SUTURE_TRY(const pe::UnwindInfoArm64 info, pe::unwind_info_arm64_of(updated.image(), entry));
            const auto record = updated.image().bytes_at(entry.unwind_info, size_without_handler(info));
            if (!record)
                return fail(
                    Error(Code::pe_bad_directory, "an .xdata record is not inside one section").at(entry.unwind_info));
            const Rva at = layout.unwind.at(entry.unwind_info);
            std::uint8_t* const out = rdata.data() + (at - layout.rdata.rva);
            std::ranges::copy(*record, out);
            if (const auto handler = layout.handlers.find(entry.unwind_info);
                info.handler && handler != layout.handlers.end()) {
                const std::uint32_t rva = handler_at(layout, *handler->second).value;
                std::memcpy(out + info.handler_at, &rva, sizeof(rva));
            } else if (info.handler) {
                out[2] &= static_cast<std::uint8_t>(~kHasHandler);
            }
            entries.push_back({range, at, 0});
        }
        const Veneers* veneers = layout.veneers_of(*function.updated);
        if (!veneers)
            continue;
        const Rva begin = layout.veneers_at(*function.updated);
        for (const Group& group : groups_of(*veneers)) {
            const RvaRange range{begin + group.begin, group.end - group.begin};
            const Rva at = *veneer_record++;
            if (group.entry->packed != 0) {
                const std::uint32_t packed =
                    (group.entry->packed & ~kPackedRange) | range.size / kWord << 2 | kFragment;
                entries.push_back({range, {}, packed});
                continue;
            }
            SUTURE_TRY(const Frame frame, frame_of(updated.image(), *group.entry));
            std::ranges::copy(fragment_record(range.size, frame.codes), rdata.begin() + (at - layout.rdata.rva));
            entries.push_back({range, at, 0});
        }
    }
    return entries;
}

} // namespace suture::emit::arm64
