#include "patchgen/emit/destinations.hpp"

namespace suture::emit {

Error Destinations::error(Code code, Rva at, const program::Function* function, std::string detail) const {
    Error result = Error(code, std::move(detail)).in_image(updated_.path()).at(at);
    if (function)
        result.in_function(function->display_name());
    return result;
}

std::optional<Address> Destinations::find(const diff::Destination& destination) const {
    const auto within = [](const std::map<Rva, Rva>& places, Rva key, std::uint32_t offset) {
        const auto place = places.find(key);
        return place != places.end() ? std::optional(Address{true, place->second + offset}) : std::nullopt;
    };
    if (const auto* to = std::get_if<diff::ToBaseline>(&destination))
        return Address{false, to->rva};
    if (const auto* to = std::get_if<diff::ToEmitted>(&destination))
        return within(layout_.functions, to->updated_entry, to->offset);
    if (const auto* to = std::get_if<diff::ToData>(&destination)) {
        if (const auto object = within(layout_.objects, to->updated_object, to->offset))
            return object;
        const auto table = layout_.in_table(to->updated_object + to->offset);
        return table ? std::optional(Address{true, *table}) : std::nullopt;
    }
    const auto& import = std::get<diff::ToNewImport>(destination);
    const auto slot = layout_.slots.find({import.dll, import.name, import.ordinal});
    return slot != layout_.slots.end() ? std::optional(Address{true, slot->second}) : std::nullopt;
}

Result<Address> Destinations::resolve(const diff::Destination& destination, Rva at,
                                      const program::Function* function) const {
    if (const auto address = find(destination))
        return *address;
    return fail(error(Code::reference_unresolved, at, function, "it leads to something that is not emitted"));
}

Result<Address> Destinations::of_reference(const diff::EmittedFunction& function, std::size_t index) const {
    const program::Reference& reference = function.updated->references[index];
    // A table of emitted code has been encoded anew, for the place where its copy lies.
    if (const auto table = layout_.in_table(reference.target))
        return Address{true, *table};
    return resolve(function.destinations[index], function.updated->range.begin + reference.offset, function.updated);
}

} // namespace suture::emit
