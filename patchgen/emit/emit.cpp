#include "patchgen/emit/emit.hpp"

#include "patchgen/emit/call_targets.hpp"
#include "patchgen/emit/fields.hpp"
#include "patchgen/emit/manifest.hpp"
#include "patchgen/emit/unwind.hpp"

#include <algorithm>

namespace suture::emit {

Result<package::Contents> emit(const program::Program& baseline, const program::Program& updated,
                               const diff::ChangeSet& changes, const Options& options) {
    SUTURE_TRY(Layout layout, lay_out(updated, changes, {}));
    SUTURE_TRY(Fields fields, write_fields(updated, changes, layout));
    // Room for veneers moves what lies behind them, and may make more of them necessary, never fewer.
    while (!std::ranges::equal(fields.veneers, layout.veneers, &Veneers::same_shape)) {
        SUTURE_TRY(layout, lay_out(updated, changes, std::move(fields.veneers)));
        SUTURE_TRY(fields, write_fields(updated, changes, layout));
    }
    package::Contents contents;
    SUTURE_TRY(contents.manifest, make_manifest(baseline, updated, changes, layout, options));
    contents.manifest.fixups = std::move(fields.fixups);
    std::ranges::sort(contents.manifest.fixups, {}, &package::Fixup::source);
    add_call_targets(baseline, updated, changes, layout, contents.manifest);
    contents.relocations = std::move(fields.relocations);
    std::ranges::sort(contents.relocations);
    SUTURE_TRY(contents.runtime_functions, write_unwind(updated, changes, layout, fields.rdata));
    if (layout.imports) {
        contents.imports = layout.imports;
        std::ranges::copy(layout.imports->bytes,
                          fields.rdata.begin() + (layout.imports->directory.begin - layout.rdata.rva));
    }
    const auto add = [&](const LaidSection& section, Bytes& bytes) {
        if (section.size != 0)
            contents.sections.push_back(
                {section.name, section.rva, std::move(bytes), static_cast<std::uint32_t>(section.size)});
    };
    add(layout.text, fields.text);
    add(layout.rdata, fields.rdata);
    add(layout.data, fields.data);
    return contents;
}

} // namespace suture::emit
