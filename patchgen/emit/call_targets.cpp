#include "patchgen/emit/call_targets.hpp"

#include <algorithm>

namespace suture::emit {

void add_call_targets(const program::Program& baseline, const program::Program& updated, const diff::ChangeSet& changes,
                      const Layout& layout, package::Manifest& manifest) {
    manifest.guarded = updated.load_config().is_guarded();
    if (!manifest.guarded)
        return;
    const auto lists = [](const program::Program& program, Rva function) {
        return std::ranges::binary_search(program.load_config().call_targets, function);
    };
    const auto take_address = [&](Rva target, const diff::Destination& destination) {
        const auto* old = std::get_if<diff::ToBaseline>(&destination);
        if (old && lists(updated, target) && !lists(baseline, old->rva))
            manifest.baseline_call_targets.push_back(old->rva);
    };
    for (const diff::EmittedFunction& function : changes.functions) {
        if (lists(updated, function.updated->range.begin))
            manifest.call_targets.push_back(layout.functions.at(function.updated->range.begin));
        for (std::size_t i = 0; i < function.destinations.size(); ++i) {
            const program::Reference& reference = function.updated->references[i];
            if (reference.use != program::Use::call && reference.use != program::Use::jump &&
                reference.kind != program::ReferenceKind::arm64_page21) // half an address
                take_address(reference.target, function.destinations[i]);
        }
    }
    for (const diff::EmittedData& data : changes.data)
        for (const auto& [offset, destination] : data.pointers)
            if (const auto target = updated.pointer_at(data.object.range.begin + offset))
                take_address(*target, destination);
    for (std::vector<Rva>* targets : {&manifest.call_targets, &manifest.baseline_call_targets}) {
        std::ranges::sort(*targets);
        const auto twice = std::ranges::unique(*targets);
        targets->erase(twice.begin(), twice.end());
    }
}

} // namespace suture::emit
