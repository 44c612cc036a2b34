#include "engine/patch/sites.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::patch {

Result<std::vector<SiteWrite>> restoring_writes(const Ledger& ledger, std::size_t first) {
    std::vector<SiteWrite> all;
    for (std::size_t i = first; i < ledger.functions.size(); ++i) {
        SUTURE_TRY(auto writes, site_writes(ledger, i));
        for (auto write = writes.rbegin(); write != writes.rend(); ++write)
            all.push_back({write->at, std::move(write->after), std::move(write->before), i});
    }
    return all;
}

Result<std::vector<SiteWrite>> redirecting_writes(const Ledger& ledger, std::size_t first) {
    std::vector<SiteWrite> all;
    for (std::size_t i = first; i < ledger.functions.size(); ++i) {
        SUTURE_TRY(auto writes, site_writes(ledger, i));
        std::ranges::move(writes, std::back_inserter(all));
    }
    return all;
}

Result<std::vector<SiteWrite>> outstanding(target::Target& target, const Ledger& ledger,
                                           std::span<const SiteWrite> writes) {
    std::vector<SiteWrite> left;
    for (const SiteWrite& write : writes) {
        SUTURE_TRY(const Bytes found, target::read_bytes(target, write.at, write.after.size()));
        const std::size_t first_page = std::min<std::size_t>(found.size(), kPage - write.at.value % kPage);
        const auto holds = [&](const Bytes& bytes, std::size_t from, std::size_t to) {
            return std::equal(bytes.begin() + static_cast<std::ptrdiff_t>(from),
                              bytes.begin() + static_cast<std::ptrdiff_t>(to),
                              found.begin() + static_cast<std::ptrdiff_t>(from));
        };
        for (const auto& [from, to] : {std::pair(std::size_t{0}, first_page), std::pair(first_page, found.size())})
            if (!holds(write.before, from, to) && !holds(write.after, from, to))
                return fail(
                    Error(Code::verification_failed,
                          fmt::format("the site at {}+0x{:x} holds {:02x}: neither {:02x} nor {:02x}", ledger.module,
                                      write.at - ledger.module_range.begin, fmt::join(found, " "),
                                      fmt::join(write.before, " "), fmt::join(write.after, " ")))
                        .in_image(ledger.module)
                        .at(Rva{static_cast<std::uint32_t>(write.at - ledger.module_range.begin)}));
        if (found != write.after)
            left.push_back({write.at, found, write.after, write.function});
    }
    return left;
}

} // namespace suture::patch
