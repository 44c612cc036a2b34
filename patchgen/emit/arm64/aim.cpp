#include "patchgen/emit/arm64/aim.hpp"

#include "engine/isa/arm64/immediates.hpp"
#include "patchgen/emit/arm64/pages.hpp"

namespace suture::emit::arm64 {

using isa::arm64::Form;
using package::FixupKind;

std::optional<std::uint32_t> aim(std::uint32_t word, Rva at, Address to, std::vector<package::Fixup>& fixups) {
    const auto form = isa::arm64::form_of(word);
    if (!form || !isa::arm64::is_pc_relative(*form))
        return std::nullopt;
    if (to.in_package)
        return isa::arm64::aimed_at(*form, word, at.value, to.rva.value);
    if (*form != Form::adrp21 && *form != Form::branch26)
        return std::nullopt;
    const bool page = *form == Form::adrp21;
    fixups.push_back(
        {page ? FixupKind::arm64_page21 : FixupKind::arm64_branch26, at, page ? page_of(to).rva : to.rva, 0});
    return isa::arm64::put(*form, word, 0);
}

} // namespace suture::emit::arm64
