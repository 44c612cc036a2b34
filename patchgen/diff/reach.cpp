#include "patchgen/diff/reach.hpp"

#include <algorithm>

namespace suture::diff {

using program::DataObject;
using program::Reference;
using program::ReferenceKind;
using program::Use;

namespace {

/// True if the reference accesses just the bytes that it names: no index is added to it.
bool is_direct(const Reference& reference) {
    return (reference.use == Use::read || reference.use == Use::write) && reference.access_size != 0 &&
           reference.kind != ReferenceKind::image_relative && reference.kind != ReferenceKind::absolute;
}

} // namespace

Reach::Reach(const match::Places& places) : from_before_(places.program().data().size(), true) {
    const program::Program& program = places.program();
    const auto data = program.data();
    // What is not understood may take any address.
    if (!std::ranges::all_of(program.functions(), &program::Function::decoded))
        return;
    std::vector<bool> taken(data.size());
    std::vector<std::uint64_t> accessed(data.size()); ///< end of the furthest access
    const auto take = [&](Rva at) {
        if (const DataObject* object = program.data_at(at))
            taken[places.index_of(*object)] = true;
    };
    for (const program::Function& function : program.functions())
        for (const Reference& reference : function.references) {
            if (program::is_branch(reference.kind) || !program::has_target(reference.kind))
                continue;
            const DataObject* object = program.data_at(reference.target);
            if (!object)
                continue;
            const std::uint32_t index = places.index_of(*object);
            if (is_direct(reference))
                accessed[index] =
                    std::max(accessed[index], std::uint64_t{reference.target.value} + reference.access_size);
            else
                taken[index] = true;
        }
    for (const pe::Relocation& field : program.relocations())
        if (const auto target = program.pointer_at(field.at))
            take(*target);
    for (const pe::Export& one : program.exports())
        if (one.forwarder.empty())
            take(one.rva);
    bool any = false;
    std::uint64_t end = 0;
    const pe::Section* section = nullptr;
    for (std::uint32_t i = 0; i < data.size(); ++i) {
        if (!section || !section->range.contains(data[i].range.begin)) {
            section = program.image().section_at(data[i].range.begin);
            any = false;
        }
        from_before_[i] = any || end > data[i].range.begin.value;
        any = any || taken[i];
        end = std::max(end, accessed[i]);
    }
}

} // namespace suture::diff
