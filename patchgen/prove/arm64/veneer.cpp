#include "patchgen/prove/arm64/veneer.hpp"

#include <fmt/format.h>

namespace suture::prove::arm64 {

using program::Use;

namespace {

// adrp, add, load or store, branch; longer ones are not made.
constexpr std::uint32_t kMaxInstructions = 4;

class Run {
  public:
    Run(const PatchedCode& patched, std::uint32_t stands_for) : patched_(patched), stands_for_(stands_for) {}

    std::expected<Veneer, std::string> from(Place at, Place back) {
        const auto failed = [&](std::string_view why) {
            return std::unexpected(fmt::format("{} at {}", why, (at + result_.size).text()));
        };
        for (std::uint32_t i = 0; i <= kMaxInstructions; ++i) {
            const Place here = at + result_.size;
            const auto word = patched_.word(here);
            if (!word)
                return failed("there is no code");
            const Form form = distance_of(*word).form;
            if (form == Form::branch) {
                result_.fields.push_back(here);
                result_.size += kWordSize;
                if (patched_.address(here) != back)
                    return failed(fmt::format("it does not lead back to {}", back.text()));
                return finish();
            }
            if (form == Form::adrp) {
                const auto page = patched_.address(here);
                if (!page || (*word & 0x1f) == kZero)
                    return failed("a page that is nowhere");
                made_[*word & 0x1f] = *page;
                result_.fields.push_back(here);
            } else if (!go_on(*word)) {
                return failed(fmt::format("0x{:08x} is nothing that a veneer needs", *word));
            }
            result_.size += kWordSize;
        }
        return failed("it goes on");
    }

  private:
    bool go_on(std::uint32_t word) {
        const auto user = page_user(word);
        if (!user || user->base == kZero || !made_.contains(user->base))
            return false;
        const Place place = made_.at(user->base) + user->offset;
        if (user->is_add) {
            if (user->value == kZero)
                return false;
            made_[user->value] = place;
            return true;
        }
        // The one access: the same but for the address.
        const auto literal = load_with_base(stands_for_);
        const std::uint32_t wanted = literal.value_or(stands_for_);
        if (accessed_ || (!literal && !page_user(stands_for_)) || (page_user(wanted) && page_user(wanted)->is_add) ||
            ((word ^ wanted) & ~(kOffsetMask | kBaseMask)) != 0)
            return false;
        const bool is_general = !(word >> 26 & 1) && user->use != Use::address;
        if (user->use == Use::write && is_general && made_.contains(user->value))
            return false; // what is stored is gone
        if (user->use == Use::read && is_general)
            made_.erase(user->value);
        accessed_ = place;
        return true;
    }

    std::expected<Veneer, std::string> finish() {
        const auto user = page_user(stands_for_);
        const bool makes_address = distance_of(stands_for_).form == Form::adr || (user && user->is_add);
        if (makes_address) {
            const auto made = made_.find(stands_for_ & 0x1f);
            if (accessed_ || made == made_.end())
                return std::unexpected("it does not make the address");
            result_.place = made->second;
            made_.erase(made);
        } else {
            if (!accessed_)
                return std::unexpected("it does not access memory");
            result_.place = *accessed_;
        }
        for (const auto& [number, place] : made_)
            result_.clobbered |= 1u << number;
        return std::move(result_);
    }

    const PatchedCode& patched_;
    std::uint32_t stands_for_;
    std::map<std::uint32_t, Place> made_; ///< addresses in registers
    std::optional<Place> accessed_;
    Veneer result_;
};

} // namespace

std::expected<Veneer, std::string> run_veneer(const PatchedCode& patched, Place at, Place back,
                                              std::uint32_t stands_for) {
    return Run(patched, stands_for).from(at, back);
}

} // namespace suture::prove::arm64
