#include "patchgen/program/sole_jumpers.hpp"

#include <limits>

namespace suture::program {

namespace {

constexpr std::size_t kNothing = std::numeric_limits<std::size_t>::max();
constexpr std::size_t kOthers = kNothing - 1;

} // namespace

SoleJumpers::SoleJumpers(const CodeMap& map, std::initializer_list<std::span<const Rva>> others)
    : jumpers_(map.starts.size(), kNothing) {
    for (std::size_t i = 0; i < map.starts.size(); ++i) {
        if (map.starts[i].entry)
            jumpers_[i] = kOthers;
        for (const auto& reference : map.codes[i].references) {
            if (!has_target(reference.kind) || map.range_of(i).contains(reference.target))
                continue;
            const auto part = map.index_at(reference.target);
            if (!part)
                continue;
            auto& jumper = jumpers_[*part];
            const bool jumps = is_branch(reference.kind) && reference.use == Use::jump;
            jumper = jumps && (jumper == kNothing || jumper == i) ? i : kOthers;
        }
    }
    for (const auto& list : others)
        for (const Rva at : list)
            if (const auto part = map.index_at(at))
                jumpers_[*part] = kOthers;
}

} // namespace suture::program
