#include "patchgen/emit/unwind.hpp"

#include "patchgen/emit/arm64/unwind.hpp"
#include "patchgen/emit/handlers.hpp"
#include "patchgen/emit/unwind_range.hpp"
#include "patchgen/emit/x64/unwind.hpp"

#include <algorithm>

namespace suture::emit {

std::unexpected<Error> unwind_unsupported(const program::Program& updated, const program::Function& function, Rva at,
                                          std::string detail) {
    return fail(Error(Code::unwind_unsupported, std::move(detail))
                    .in_image(updated.path())
                    .at(at)
                    .in_function(function.display_name()));
}

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

Result<Rva> take_with_handler(const program::Program& updated, const pe::RuntimeFunction& entry, std::uint32_t size,
                              const diff::EmittedHandler& handler, Layout& layout) {
    const auto& blocks = handler.content.blocks;
    const auto first = std::ranges::find(blocks, handler.data, &RvaRange::begin);
    if (first == blocks.end() || entry.unwind_info + size != handler.data)
        return fail(
            Error(Code::unwind_unsupported, "a handler without data").in_image(updated.path()).at(entry.range.begin));
    const Rva at = layout.rdata.take(size + first->size, kUnwindAlignment);
    layout.handler_blocks.emplace(handler.data, at + size);
    return at;
}

Rva handler_at(const Layout& layout, const diff::EmittedHandler& handler) {
    const auto& code = std::get<diff::ToEmitted>(handler.handler);
    return layout.functions.at(code.updated_entry) + code.offset;
}

Result<void> lay_out_unwind(const program::Program& updated, const diff::ChangeSet& changes, Layout& layout) {
    for (const diff::EmittedFunction& function : changes.functions)
        for (const pe::RuntimeFunction& entry : function.updated->unwind)
            if (!emitted_range(changes, layout, entry.range))
                return unwind_unsupported(updated, *function.updated, entry.range.begin,
                                          "an entry begins before the function that it covers");
    for (const diff::EmittedFunction& function : changes.functions)
        for (const diff::EmittedHandler& handler : function.handlers)
            layout.handlers.emplace(handler.unwind_info, &handler);
    SUTURE_CHECK(updated.image().machine() == Machine::arm64 ? arm64::lay_out_unwind(updated, changes, layout)
                                                             : x64::lay_out_unwind(updated, changes, layout));
    return lay_out_handlers(updated, changes, layout);
}

Result<std::vector<pe::RuntimeFunction>> write_unwind(const program::Program& updated, const diff::ChangeSet& changes,
                                                      const Layout& layout, Bytes& rdata) {
    SUTURE_TRY(std::vector<pe::RuntimeFunction> entries, updated.image().machine() == Machine::arm64
                                                             ? arm64::write_unwind(updated, changes, layout, rdata)
                                                             : x64::write_unwind(updated, changes, layout, rdata));
    std::ranges::sort(entries);
    const auto repeated = std::ranges::unique(entries);
    entries.erase(repeated.begin(), repeated.end());
    return entries;
}

} // namespace suture::emit
