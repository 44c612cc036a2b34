#include "patchgen/emit/x64/references.hpp"

#include <algorithm>

namespace suture::emit::x64 {

namespace {

using diff::EmittedFunction;
using package::FixupKind;
using program::Reference;
using program::ReferenceKind;

/// True if what the function takes for the image base is the baseline's.
bool takes_baseline_header(const EmittedFunction& function) {
    const auto& references = function.updated->references;
    for (std::size_t i = 0; i < references.size(); ++i) {
        if (references[i].kind != ReferenceKind::image_relative && references[i].target == Rva{0} &&
            function.destinations[i] != diff::Destination(diff::ToBaseline{}))
            return false;
    }
    return true;
}

Result<void> write_reference(const Destinations& destinations, const EmittedFunction& function,
                             const Reference& reference, Rva field, Address to, Fields& fields) {
    const Rva origin = function.updated->range.begin + reference.offset;
    const auto refuse = [&](Code code, std::string detail) {
        return fail(destinations.error(code, origin, function.updated, std::move(detail)));
    };
    const Rva text = destinations.layout().text.rva;
    const std::uint32_t offset = field - text;
    if (reference.kind == ReferenceKind::absolute) {
        fields.put_pointer(fields.text, text, field, to);
        return {};
    }
    if (reference.kind == ReferenceKind::image_relative) {
        if (!takes_baseline_header(function))
            return refuse(Code::reference_out_of_reach, "an image-relative reference without the image's base");
        fields.put_rva(fields.text, text, field, to);
        return {};
    }
    if (!to.in_package) {
        if (reference.size != 4)
            return refuse(Code::reference_out_of_reach, "a short branch to the baseline");
        Fields::put(fields.text, offset, std::uint32_t{0});
        fields.fixups.push_back({FixupKind::rel32, field, to.rva, reference.addend});
        return {};
    }
    const std::int64_t distance = std::int64_t{to.rva.value} + reference.addend - std::int64_t{field.value};
    if (reference.size == 4) {
        Fields::put(fields.text, offset, static_cast<std::int32_t>(distance));
        return {};
    }
    if (distance != static_cast<std::int8_t>(distance))
        return refuse(Code::reference_out_of_reach, "a short branch to another emitted function");
    Fields::put(fields.text, offset, static_cast<std::int8_t>(distance));
    return {};
}

} // namespace

Result<void> write_references(const Destinations& destinations, const EmittedFunction& function, Fields& fields) {
    const program::Function& code = *function.updated;
    const Rva at = destinations.layout().functions.at(code.range.begin);
    for (std::size_t i = 0; i < code.references.size(); ++i) {
        SUTURE_TRY(const Address to, destinations.of_reference(function, i));
        SUTURE_CHECK(
            write_reference(destinations, function, code.references[i], at + code.references[i].offset, to, fields));
    }
    return {};
}

} // namespace suture::emit::x64
