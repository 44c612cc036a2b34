#include "patchgen/emit/handlers.hpp"

#include "patchgen/emit/unwind_range.hpp"

#include <algorithm>
#include <bit>

namespace suture::emit {

namespace {

using Kind = program::HandlerField::Kind;

/// Pointers in such data are the widest that it holds, in bytes.
constexpr std::uint32_t kMaxAlignment = 8;

Result<void> write_field(const Destinations& destinations, const diff::EmittedFunction& function,
                         const program::HandlerField& field, const diff::Destination& destination, Rva at,
                         Fields& fields) {
    const Layout& layout = destinations.layout();
    const std::uint32_t offset = at - layout.rdata.rva;
    if (field.kind == Kind::block || field.kind == Kind::distance) {
        const Rva block = layout.handler_blocks.at(field.target);
        Fields::put(fields.rdata, offset, field.kind == Kind::block ? block.value : block.value - at.value);
        return {};
    }
    SUTURE_TRY(const Address to, destinations.resolve(destination, field.at, function.updated));
    if (field.kind == Kind::pointer) {
        fields.put_pointer(fields.rdata, layout.rdata.rva, at, to);
        return {};
    }
    const bool is_code = field.kind == Kind::code || field.kind == Kind::code_end;
    if (is_code != to.in_package)
        return fail(destinations.error(Code::reference_out_of_reach, field.at, function.updated,
                                       "an address in exception data"));
    if (is_code)
        Fields::put(fields.rdata, offset, to.rva.value);
    else
        fields.fixups.push_back({package::FixupKind::rel32, at, to.rva, 0});
    return {};
}

} // namespace

Result<void> lay_out_handlers(const program::Program& updated, const diff::ChangeSet& changes, Layout& layout) {
    std::map<Rva, std::uint32_t> sizes;
    for (const diff::EmittedFunction& function : changes.functions) {
        for (const diff::EmittedHandler& handler : function.handlers) {
            for (const RvaRange& block : handler.content.blocks) {
                const auto [known, fresh] = sizes.emplace(block.begin, block.size);
                if (known->second != block.size)
                    return unwind_unsupported(updated, *function.updated, block.begin,
                                              "exception data of two functions that overlaps");
                if (layout.handler_blocks.contains(block.begin))
                    continue;
                const int zeros = std::countr_zero(block.begin.value | kMaxAlignment);
                layout.handler_blocks.emplace(block.begin,
                                              layout.rdata.take(block.size, std::max(kUnwindAlignment, 1u << zeros)));
            }
        }
    }
    return {};
}

Result<void> write_handlers(const Destinations& destinations, const diff::EmittedFunction& function, Fields& fields) {
    const Layout& layout = destinations.layout();
    for (const diff::EmittedHandler& handler : function.handlers) {
        const auto& content = handler.content;
        auto field = content.fields.begin();
        for (const RvaRange& block : content.blocks) {
            const Rva at = layout.handler_blocks.at(block.begin);
            // Others may share it, and have written it.
            if (!fields.written.insert(block.begin).second) {
                while (field != content.fields.end() && block.contains(field->at))
                    ++field;
                continue;
            }
            const auto bytes = destinations.updated().image().content(block);
            if (!bytes)
                return fail(destinations.error(Code::reference_unresolved, block.begin, function.updated,
                                               "exception data outside of every section"));
            std::ranges::copy(*bytes, fields.rdata.begin() + (at - layout.rdata.rva));
            for (; field != content.fields.end() && block.contains(field->at); ++field) {
                const auto index = static_cast<std::size_t>(field - content.fields.begin());
                SUTURE_CHECK(write_field(destinations, function, *field, handler.destinations[index],
                                         at + (field->at - block.begin), fields));
            }
        }
    }
    return {};
}

} // namespace suture::emit
