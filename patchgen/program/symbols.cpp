#include "patchgen/program/symbols.hpp"

#include <algorithm>
#include <array>

namespace suture::program {

namespace {

bool all_digits(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

/// `prefix` and a number.
bool is_numbered(std::string_view name, std::string_view prefix) {
    return name.starts_with(prefix) && all_digits(name.substr(prefix.size()));
}

/// Marks that GNU ld's script and MinGW's runtime put between the parts of a section; whatever object happens to lie
/// there is not what they name.
bool is_section_mark(std::string_view name) {
    while (name.starts_with('_'))
        name.remove_prefix(1);
    while (name.ends_with('_'))
        name.remove_suffix(1);
    static constexpr std::array<std::string_view, 26> kMarks{
        "data_start",   "data_end",    "bss_start",    "bss_end",           "rdata_start",     "rdata_end",
        "tls_start",    "tls_end",     "IAT_start",    "IAT_end",           "IAT_start__",     "text_start",
        "etext",        "edata",       "end",          "rt_psrelocs_start", "rt_psrelocs_end", "rt_psrelocs_size",
        "crt_xc_start", "crt_xc_end",  "crt_xi_start", "crt_xi_end",        "crt_xl_start",    "crt_xp_start",
        "crt_xp_end",   "crt_xt_start"};
    return std::ranges::find(kMarks, name) != kMarks.end() || name == "crt_xt_end" || name == "crt_xd_start" ||
           name == "crt_xd_end" || name == "RUNTIME_PSEUDO_RELOC_LIST" || name == "RUNTIME_PSEUDO_RELOC_LIST_END" ||
           name == "ImageBase" || name == "image_base";
}

} // namespace

void settle(Symbols& symbols) {
    std::ranges::sort(symbols.list);
    symbols.list.erase(std::unique(symbols.list.begin(), symbols.list.end()), symbols.list.end());
    std::ranges::sort(symbols.contributions);
    std::uint64_t end = 0;
    std::erase_if(symbols.contributions, [&](const RvaRange& range) {
        if (range.size == 0 || range.begin.value < end)
            return true;
        end = range.end();
        return false;
    });
}

bool is_meaningless(std::string_view name) {
    if (name.empty() || is_section_mark(name))
        return true;
    // `.refptr.x` is MinGW's pointer to x; all other names with a point in front are sections and local labels.
    if (name.front() == '.')
        return !name.starts_with(".refptr.");
    return is_numbered(name, "$SG") || is_numbered(name, "__unnamed_") || is_numbered(name, "$LN") ||
           is_numbered(name, "anon.");
}

} // namespace suture::program
