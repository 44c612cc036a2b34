#include "engine/isa/isa.hpp"

#include "engine/isa/arm64/arm64_isa.hpp"
#include "engine/isa/x64/x64_isa.hpp"

#include <algorithm>
#include <array>

namespace suture::isa {

namespace {

struct KindName {
    SiteKind kind;
    std::string_view name;
};

constexpr std::array kKinds{
    KindName{SiteKind::x64_padded, "x64-padded"},     KindName{SiteKind::x64_cave, "x64-cave"},
    KindName{SiteKind::x64_prologue, "x64-prologue"}, KindName{SiteKind::x64_tail, "x64-tail"},
    KindName{SiteKind::arm64_branch, "arm64-branch"},
};

} // namespace

std::string_view name_of(SiteKind kind) {
    for (const KindName& entry : kKinds)
        if (entry.kind == kind)
            return entry.name;
    return "unknown";
}

std::optional<SiteKind> site_kind_from(std::uint8_t value) {
    for (const KindName& entry : kKinds)
        if (static_cast<std::uint8_t>(entry.kind) == value)
            return entry.kind;
    return std::nullopt;
}

bool Isa::needs_no_stop(const Site& site, ByteView entry_bytes) const {
    return instruction_length(entry_bytes).value_or(0) >= std::min(site.entry_size, site.displaced);
}

const Isa* isa_for(Machine machine) {
    static const x64::X64Isa x64_isa;
    static const arm64::Arm64Isa arm64_isa;
    switch (machine) {
    case Machine::x64:
        return &x64_isa;
    case Machine::arm64:
        return &arm64_isa;
    }
    return nullptr;
}

} // namespace suture::isa
