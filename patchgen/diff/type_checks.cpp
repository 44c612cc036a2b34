#include "patchgen/diff/type_checks.hpp"

#include "patchgen/diff/function_diff.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::diff {

using match::Place;
using match::PlaceKind;
using program::TypeLayout;
using program::Types;
using program::TypeUses;

namespace {

/// Most types of which it is looked for whether their objects can be gone: each costs a look at all types.
constexpr std::size_t kMaxExamined = 16;
/// Most types that are compared member by member; beyond that, another hash is another layout.
constexpr std::size_t kMaxCompared = 1024;
/// Most types that are told of one by one.
constexpr std::size_t kMaxReported = 16;

class TypeChecker {
  public:
    TypeChecker(const Pairing& pairing, const std::set<Edge>& changed)
        : pairing_(pairing), old_(pairing.baseline.program()), new_(pairing.updated.program()) {
        for (const auto& [b, u] : changed)
            changed_.insert(b);
    }

    std::vector<Error> run() {
        if (changed_.empty() || !old_.types() || !new_.types())
            return {};
        const auto before = old_.types()->layouts();
        const auto after = new_.types()->layouts();
        for (std::size_t b = 0, u = 0; b < before.size();) {
            const std::string& name = before[b].name;
            const auto group = [&](std::span<const TypeLayout> list, std::size_t& at) {
                const std::size_t first = at;
                while (at < list.size() && list[at].name == name)
                    ++at;
                return list.subspan(first, at - first);
            };
            while (u < after.size() && after[u].name < name)
                ++u;
            const auto old_group = group(before, b);
            compare(old_group, group(after, u));
        }
        if (unreported_ != 0)
            refusals_.push_back(
                Error(Code::type_layout_changed, fmt::format("and {} more types", unreported_)).in_image(new_.path()));
        return std::move(refusals_);
    }

  private:
    /// Types of one name, of which there are several where source files define their own.
    void compare(std::span<const TypeLayout> before, std::span<const TypeLayout> after) {
        const auto lacks = [](std::span<const TypeLayout> list, const TypeLayout& type) {
            return std::ranges::none_of(list, [&](const TypeLayout& one) { return one.digest == type.digest; });
        };
        for (const TypeLayout& gone : before) {
            if (!lacks(after, gone))
                continue;
            std::optional<std::string> difference;
            for (const TypeLayout& come : after) {
                if (!lacks(before, come))
                    continue;
                difference = ++compared_ > kMaxCompared
                                 ? std::optional<std::string>("too many types differ to look at it")
                                 : layout_difference(*old_.types(), gone, *new_.types(), come);
                if (!difference)
                    break;
            }
            if (difference)
                decide(gone, *difference);
        }
    }

    void decide(const TypeLayout& type, const std::string& difference) {
        if (examined_ == kMaxExamined)
            return refuse(type, difference, "", {});
        ++examined_;
        const TypeUses uses = old_.types()->uses(type);
        std::string why = uses.lasting;
        if (why.empty())
            why = why_not_gone(uses);
        else if (uses.lasting_at)
            why += fmt::format(": {}", describe(pairing_.baseline, *uses.lasting_at));
        if (!why.empty())
            refuse(type, difference, why, uses);
    }

    /// Why the frames that held all objects of a type may not be gone, or that its objects may lie elsewhere; empty
    /// where all is proved.
    std::string why_not_gone(const TypeUses& uses) const {
        std::set<std::uint32_t> family;
        for (const auto* list : {&uses.holders, &uses.receivers})
            for (const Rva entry : *list) {
                const Place place = pairing_.baseline.at(entry);
                if (place.kind != PlaceKind::function || place.offset != 0)
                    return fmt::format("nothing is known of the code at +0x{:x}, which has one", entry.value);
                family.insert(place.index);
            }
        for (const Rva entry : uses.holders)
            if (const Place place = pairing_.baseline.at(entry); !changed_.contains(place.index))
                return fmt::format("{} has one in its frame, and is not replaced", name_of(place.index));
        for (const std::uint32_t one : changed_)
            if (!family.contains(one))
                return fmt::format("{} changed too, and nothing says that it does not come by one", name_of(one));
        for (const Rva entry : uses.receivers)
            if (const std::string user = stranger_that_uses(entry, family); !user.empty())
                return fmt::format("{} is given one, and {}", describe(pairing_.baseline, entry), user);
        return {};
    }

    std::string name_of(std::uint32_t baseline) const { return pairing_.old_function(baseline).display_name(); }

    /// Who but direct calls from `family` uses the function at `entry`.
    std::string stranger_that_uses(Rva entry, const std::set<std::uint32_t>& family) const {
        for (const pe::Export& one : old_.exports())
            if (one.forwarder.empty() && one.rva == entry)
                return "is exported";
        for (const Rva target : old_.load_config().guard_functions)
            if (target == entry)
                return "is called through pointers";
        for (const pe::Relocation& field : old_.relocations())
            if (old_.pointer_at(field.at) == entry)
                return fmt::format("data at +0x{:x} points to it", field.at.value);
        const auto functions = old_.functions();
        for (std::uint32_t i = 0; i < functions.size(); ++i)
            for (const program::Reference& reference : functions[i].references)
                if (reference.target == entry && (!program::is_branch(reference.kind) || !family.contains(i)))
                    return fmt::format("{} refers to it", functions[i].display_name());
        return {};
    }

    void refuse(const TypeLayout& type, const std::string& difference, const std::string& why, const TypeUses& uses) {
        if (refusals_.size() == kMaxReported) {
            ++unreported_;
            return;
        }
        std::string detail = fmt::format("{}: {}", type.name, difference);
        if (!why.empty())
            detail += fmt::format("; objects may be alive: {}", why);
        detail += fmt::format("; {}", user_of(uses));
        refusals_.push_back(Error(Code::type_layout_changed, std::move(detail)).in_image(new_.path()));
    }

    /// A changed function, best one that has a variable of the type or a parameter that leads to it.
    std::string user_of(const TypeUses& uses) const {
        for (const auto* list : {&uses.holders, &uses.receivers})
            for (const Rva entry : *list)
                if (const Place place = pairing_.baseline.at(entry);
                    place.kind == PlaceKind::function && changed_.contains(place.index))
                    return fmt::format("{} uses it and changed", name_of(place.index));
        return fmt::format("{} changed", name_of(*changed_.begin()));
    }

    const Pairing& pairing_;
    const program::Program& old_;
    const program::Program& new_;
    std::set<std::uint32_t> changed_; ///< functions of the baseline
    std::vector<Error> refusals_;
    std::size_t compared_ = 0;
    std::size_t examined_ = 0;
    std::size_t unreported_ = 0;
};

} // namespace

std::vector<Error> check_types(const Pairing& pairing, const std::set<Edge>& changed) {
    return TypeChecker(pairing, changed).run();
}

} // namespace suture::diff
