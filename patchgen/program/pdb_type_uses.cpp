#include "patchgen/program/pdb_types.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace suture::program {

namespace {

// How a type is related to the one that is asked about.
constexpr std::uint8_t kHolds = 1;     ///< an object of it contains one
constexpr std::uint8_t kLeads = 2;     ///< an object of it leads to one
constexpr std::uint8_t kSignature = 4; ///< a function that takes one, or the address of one
constexpr std::uint8_t kObject = kHolds | kLeads;

} // namespace

std::string PdbTypes::part_that_has_one(std::uint32_t fields, std::uint32_t below,
                                        const std::vector<std::uint8_t>& how) const {
    std::string found;
    for_each_field(fields, below, [&](const Field& field, std::uint32_t list) {
        const auto place = place_of(field.type, list);
        const std::uint8_t part = place ? how[*place] : 0;
        if (found.empty() && (part & kObject) && (is_in_object(field) || field.leaf == kLeafStaticMember))
            found = fmt::format("{} {}", (part & kHolds) ? "one as" : "a pointer to one as",
                                field.name.empty() ? "a base" : field.name);
    });
    return found.empty() ? "one" : found;
}

/// Relates each record to the type, and notes what among the types themselves makes objects last.
std::vector<std::uint8_t> PdbTypes::spread(const TypeLayout& type, TypeUses& uses) const {
    std::vector<std::uint8_t> how(count(), 0);
    const auto last = [&](std::string why) {
        if (uses.lasting.empty())
            uses.lasting = std::move(why);
    };
    for (std::uint32_t own = 0; own < count(); ++own) {
        const Record record = record_at(own);
        const auto of = [&](std::uint64_t offset) -> std::uint8_t {
            const auto place = place_of(record.body.read<std::uint32_t>(offset).value_or(0), own);
            return place ? how[*place] : 0;
        };
        if (const auto user = user_type_of(record.leaf, record.body)) {
            const bool itself = user->name == type.name || first_ + own == type.index;
            if (itself)
                how[own] = kHolds;
            const auto fields = user->is_enumeration ? std::nullopt : place_of(user->fields, own);
            const std::uint8_t parts = fields ? how[*fields] & kObject : 0;
            how[own] |= parts;
            if (parts != 0 && uses.lasting.empty())
                last(fmt::format("{} has {}", user->name, part_that_has_one(user->fields, own, how)));
            continue;
        }
        switch (record.leaf) {
        case kLeafFieldList: {
            std::uint64_t at = 0;
            while (const auto field = next_field(record.body, at)) {
                const auto place = place_of(field->type, own);
                if (place &&
                    (is_in_object(*field) || field->leaf == kLeafStaticMember || field->leaf == kLeafContinuation))
                    how[own] = static_cast<std::uint8_t>(how[own] | (how[*place] & kObject));
            }
            break;
        }
        case kLeafModifier:
        case kLeafArray:
        case kLeafBitField:
            how[own] = of(0);
            break;
        case kLeafPointer:
            if (of(0) & kSignature)
                last("functions that are given one are called through pointers");
            how[own] = (of(0) & kObject) ? kLeads : 0;
            break;
        case kLeafArguments:
            for (std::uint64_t at = 4; record.body.contains(at, 4); at += 4)
                how[own] |= of(at);
            break;
        case kLeafProcedure:
        case kLeafMemberFunction: {
            const bool member = record.leaf == kLeafMemberFunction;
            if (of(0) & kLeads)
                last("a function gives the address of one back");
            const std::uint8_t any = of(0) | of(member ? 16 : 8) | (member ? of(4) | of(8) : 0);
            how[own] = any != 0 ? kSignature : 0;
            break;
        }
        default:
            break;
        }
    }
    return how;
}

TypeUses PdbTypes::uses(const TypeLayout& type) const {
    TypeUses result;
    if (std::ranges::count(layouts_, type.name, &TypeLayout::name) > 1)
        result.lasting = "several types are called that";
    const auto how = spread(type, result);
    const auto last = [&](std::string why, Rva at) {
        if (!result.lasting.empty())
            return;
        result.lasting = std::move(why);
        result.lasting_at = at;
    };
    for (const SymbolUse& use : uses_) {
        const auto place = place_of(use.type, count());
        const std::uint8_t relation = place ? how[*place] : 0;
        if (relation == 0)
            continue;
        switch (use.use) {
        case Use::data:
            last((relation & kHolds) ? "a global variable is one" : "a global variable leads to one", use.at);
            break;
        case Use::allocation:
            last("it is allocated", use.at);
            break;
        case Use::local:
            if (relation & kLeads)
                last("a local variable leads to one, and nothing says where that lies", use.at);
            result.holders.push_back(use.at);
            break;
        case Use::parameter:
        case Use::signature:
            result.receivers.push_back(use.at);
            break;
        }
    }
    for (auto* list : {&result.holders, &result.receivers}) {
        std::ranges::sort(*list);
        list->erase(std::unique(list->begin(), list->end()), list->end());
    }
    if (result.lasting.empty() && result.holders.empty())
        result.lasting = "nothing says where objects of it lie";
    return result;
}

} // namespace suture::program
