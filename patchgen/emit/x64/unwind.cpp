#include "patchgen/emit/x64/unwind.hpp"

#include "engine/pe/raw/directories.hpp"
#include "engine/pe/unwind_x64.hpp"
#include "patchgen/emit/unwind_range.hpp"
#include "patchgen/program/stack_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace suture::emit::x64 {

namespace {

/// UNW_FLAG_EHANDLER and UNW_FLAG_UHANDLER in the first byte.
constexpr std::uint8_t kHandlerFlags = 3 << 3;

/// What would only check the stack is left out: its RVA behind the codes.
std::uint32_t size_without_handler(const pe::UnwindInfo& info) {
    return info.size - (info.handler ? static_cast<std::uint32_t>(sizeof(std::uint32_t)) : 0);
}

} // namespace

Result<void> lay_out_unwind(const program::Program& updated, const diff::ChangeSet& changes, Layout& layout) {
    for (const diff::EmittedFunction& function : changes.functions) {
        for (const pe::RuntimeFunction& entry : function.updated->unwind) {
            // Chained entries end at one that is not chained; an image could make them a circle.
            std::optional<pe::RuntimeFunction> link = entry;
            while (link && !layout.unwind.contains(link->unwind_info)) {
                SUTURE_TRY(const pe::UnwindInfo info, pe::unwind_info_at(updated.image(), link->unwind_info));
                const auto handler = layout.handlers.find(link->unwind_info);
                if (info.handler && handler == layout.handlers.end() &&
                    !program::only_checks_stack(updated, *info.handler))
                    return unwind_unsupported(updated, *function.updated, link->range.begin,
                                              "an exception or termination handler");
                if (info.chained && !emitted_range(changes, layout, info.chained->range))
                    return unwind_unsupported(updated, *function.updated, link->range.begin,
                                              fmt::format("it continues the entry of 0x{:x}, whose code is not emitted",
                                                          info.chained->range.begin.value));
                Rva at;
                if (handler != layout.handlers.end()) {
                    SUTURE_TRY(at, take_with_handler(updated, *link, info.size, *handler->second, layout));
                } else {
                    at = layout.rdata.take(size_without_handler(info), kUnwindAlignment);
                }
                layout.unwind.emplace(link->unwind_info, at);
                link = info.chained;
            }
        }
    }
    return {};
}

Result<std::vector<pe::RuntimeFunction>> write_unwind(const program::Program& updated, const diff::ChangeSet& changes,
                                                      const Layout& layout, Bytes& rdata) {
    for (const auto& [from, to] : layout.unwind) {
        SUTURE_TRY(const pe::UnwindInfo info, pe::unwind_info_at(updated.image(), from));
        const auto content = updated.image().bytes_at(from, size_without_handler(info));
        if (!content)
            return fail(Error(Code::pe_bad_directory, "UNWIND_INFO is not inside one section").at(from));
        std::uint8_t* const out = rdata.data() + (to - layout.rdata.rva);
        std::ranges::copy(*content, out);
        if (const auto handler = layout.handlers.find(from); handler != layout.handlers.end()) {
            const std::uint32_t rva = handler_at(layout, *handler->second).value;
            std::memcpy(out + size_without_handler(info), &rva, sizeof(rva));
        } else if (info.handler) {
            out[0] &= static_cast<std::uint8_t>(~kHandlerFlags);
        }
        if (!info.chained)
            continue;
        const RvaRange range = *emitted_range(changes, layout, info.chained->range);
        const pe::raw::RuntimeFunctionX64 link{range.begin.value, static_cast<std::uint32_t>(range.end()),
                                               layout.unwind.at(info.chained->unwind_info).value};
        std::memcpy(out + info.size - sizeof(link), &link, sizeof(link));
    }
    std::vector<pe::RuntimeFunction> entries;
    for (const diff::EmittedFunction& function : changes.functions)
        for (const pe::RuntimeFunction& entry : function.updated->unwind)
            entries.push_back({*emitted_range(changes, layout, entry.range), layout.unwind.at(entry.unwind_info)});
    return entries;
}

} // namespace suture::emit::x64
