#include "engine/isa/arm64/sites.hpp"

#include "engine/isa/arm64/movable.hpp"
#include "engine/isa/arm64/words.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::isa::arm64 {

Result<Site> choose_site(const SiteQuestion& question) {
    const auto none = [](std::string detail) { return fail(Code::site_none, std::move(detail)); };
    if (question.entry.value % kInstructionSize != 0)
        return none("the entry is not aligned");
    const auto displaced = question.code.slice(0, kInstructionSize);
    if (question.size < kInstructionSize || !displaced)
        return none(fmt::format("{} bytes of code", std::min<std::size_t>(question.size, question.code.size())));
    // Only data refers into the middle of an instruction.
    if (!question.inner_targets.empty() && question.inner_targets.front() < kInstructionSize)
        return none(fmt::format("something refers to entry+{:#x}", question.inner_targets.front()));
    if (const auto movable = check_movable(*displaced); !movable)
        return none(movable.error().detail());
    return Site{SiteKind::arm64_branch, question.entry, kInstructionSize, {}, kInstructionSize};
}

Result<void> prove_site(const Site& site, ByteView entry_bytes) {
    const auto unproved = [](std::string detail) { return fail(Code::site_unproved, std::move(detail)); };
    if (site.kind != SiteKind::arm64_branch || site.entry_size != kInstructionSize ||
        site.displaced != kInstructionSize)
        return unproved(fmt::format("{} with {} bytes at the entry, {} displaced", name_of(site.kind), site.entry_size,
                                    site.displaced));
    if (site.pad != Rva{})
        return unproved(fmt::format("{} has no pad", name_of(site.kind)));
    if (site.entry.value % kInstructionSize != 0)
        return unproved("the entry is not aligned");
    const auto displaced = entry_bytes.slice(0, kInstructionSize);
    if (!displaced)
        return unproved(fmt::format("{} bytes at the entry", entry_bytes.size()));
    return check_movable(*displaced);
}

Result<std::vector<CodeWrite>> encode_site(const Site& site, Va module_base, Va stub) {
    SUTURE_TRY(const std::uint32_t word, branch(module_base + site.entry.value, stub));
    CodeWrite write{site.entry, {}};
    append(write.bytes, word);
    return std::vector<CodeWrite>{std::move(write)};
}

} // namespace suture::isa::arm64
