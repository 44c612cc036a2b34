#include "patchgen/emit/arm64/pages.hpp"

namespace suture::emit::arm64 {

namespace {

constexpr std::uint32_t kPage = 0x1000;

/// Sets of adrps that share a user, directly or through others.
class Groups {
  public:
    explicit Groups(const program::Function& function) {
        std::map<std::uint32_t, std::uint32_t> first; // by user: the first adrp that it goes on from
        for (const program::PageUse& use : function.page_uses) {
            parent_.try_emplace(use.page, use.page);
            const auto [at, added] = first.try_emplace(use.user, use.page);
            if (!added)
                join(at->second, use.page);
        }
    }

    std::uint32_t of(std::uint32_t adrp) {
        std::uint32_t root = adrp;
        while (parent_.at(root) != root)
            root = parent_.at(root);
        parent_[adrp] = root;
        return root;
    }

  private:
    void join(std::uint32_t a, std::uint32_t b) {
        const std::uint32_t x = of(a);
        const std::uint32_t y = of(b);
        parent_[std::max(x, y)] = std::min(x, y);
    }

    std::map<std::uint32_t, std::uint32_t> parent_;
};

/// The page that most want; of several, that of the first.
Address most_wanted(const std::map<std::uint32_t, Address>& wishes) {
    std::map<Address, std::size_t> votes;
    for (const auto& [user, page] : wishes)
        ++votes[page];
    Address best = wishes.begin()->second;
    for (const auto& [user, page] : wishes)
        if (votes[page] > votes[best])
            best = page;
    return best;
}

} // namespace

Address page_of(Address address) {
    return {address.in_package, Rva{address.rva.value & ~(kPage - 1)}};
}

Pages plan_pages(const program::Function& function, std::span<const Address> addresses,
                 const std::set<std::uint32_t>& apart) {
    std::map<std::uint32_t, Address> page_by_user;
    for (std::size_t i = 0; i < function.references.size(); ++i)
        page_by_user[function.references[i].offset] = page_of(addresses[i]);
    Groups groups(function);
    std::map<std::uint32_t, std::map<std::uint32_t, Address>> staying; // by group: what its users want
    std::map<std::uint32_t, std::map<std::uint32_t, Address>> leaving;
    for (const program::PageUse& use : function.page_uses)
        (apart.contains(use.user) ? leaving : staying)[groups.of(use.page)][use.user] = page_by_user[use.user];
    Pages result;
    result.parted = apart;
    for (const program::PageUse& use : function.page_uses) {
        const std::uint32_t group = groups.of(use.page);
        const auto wishes = staying.find(group);
        const Address page = most_wanted(wishes != staying.end() ? wishes->second : leaving.at(group));
        result.by_adrp[use.page] = page;
        if (page_by_user[use.user] != page)
            result.parted.insert(use.user);
    }
    return result;
}

} // namespace suture::emit::arm64
