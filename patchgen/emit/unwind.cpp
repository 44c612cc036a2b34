#include "patchgen/emit/unwind.hpp"

#include "engine/pe/raw/directories.hpp"
#include "engine/pe/unwind_x64.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace suture::emit {

namespace {

constexpr std::uint32_t kUnwindAlignment = 4;

std::unexpected<Error> unsupported(const program::Program& updated, const program::Function& function, Rva at,
                                   std::string detail) {
    return fail(Error(Code::unwind_unsupported, std::move(detail))
                    .in_image(updated.path())
                    .at(at)
                    .in_function(function.display_name()));
}

/// An entry of the updated image as one of the package: it must describe the code of one emitted function.
std::optional<RvaRange> emitted_range(const diff::ChangeSet& changes, const Layout& layout, RvaRange range) {
    auto next = layout.functions.upper_bound(range.begin);
    if (next == layout.functions.begin())
        return std::nullopt;
    --next;
    const auto function = std::ranges::lower_bound(changes.functions, next->first, {},
                                                   [](const auto& emitted) { return emitted.updated->range.begin; });
    if (!RvaRange{next->first, emitted_size(*function->updated)}.contains(range))
        return std::nullopt;
    return RvaRange{next->second + (range.begin - next->first), range.size};
}

} // namespace

Result<void> lay_out_unwind(const program::Program& updated, const diff::ChangeSet& changes, Layout& layout) {
    for (const diff::EmittedFunction& function : changes.functions) {
        for (const pe::RuntimeFunction& entry : function.updated->unwind) {
            if (!emitted_range(changes, layout, entry.range))
                return unsupported(updated, *function.updated, entry.range.begin,
                                   "an entry begins before the function that it covers");
            // Chained entries end at one that is not chained; an image could make them a circle.
            std::optional<pe::RuntimeFunction> link = entry;
            while (link && !layout.unwind.contains(link->unwind_info)) {
                SUTURE_TRY(const pe::UnwindInfo info, pe::unwind_info_at(updated.image(), link->unwind_info));
                if (info.handler)
                    return unsupported(updated, *function.updated, link->range.begin,
                                       "an exception or termination handler");
                if (info.chained && !emitted_range(changes, layout, info.chained->range))
                    return unsupported(updated, *function.updated, link->range.begin,
                                       fmt::format("it continues the entry of 0x{:x}, whose code is not emitted",
                                                   info.chained->range.begin.value));
                layout.unwind.emplace(link->unwind_info, layout.rdata.take(info.size, kUnwindAlignment));
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
        const auto content = updated.image().bytes_at(from, info.size);
        if (!content)
            return fail(Error(Code::pe_bad_directory, "UNWIND_INFO is not inside one section").at(from));
        std::uint8_t* const out = rdata.data() + (to - layout.rdata.rva);
        std::ranges::copy(*content, out);
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
    std::ranges::sort(entries);
    const auto repeated = std::ranges::unique(entries);
    entries.erase(repeated.begin(), repeated.end());
    return entries;
}

} // namespace suture::emit
