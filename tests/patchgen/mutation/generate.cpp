#include "tests/patchgen/mutation/generate.hpp"

#include <algorithm>

namespace suture::test {

using Flow = Instruction::Flow;

std::string_view name_of(Kind kind) {
    constexpr std::array<std::string_view, kKinds> kNames{
        "opcode",        "immediate",        "displacement",   "register-operand", "condition",
        "branch-target", "call-target",      "data-reference", "string-reference", "constant-byte",
        "string-byte",   "jump-table-entry", "data-pointer",   "import-name",      "initial-value",
        "unwind-code",   "unwind-reference", "handler-data",   "export-target",    "thread-local-value",
        "resource-byte", "code-byte",        "data-byte",      "unreached-code"};
    return kNames[static_cast<std::size_t>(kind)];
}

std::optional<Mutant> changed(const RawImage& image, Kind kind, Rva at, Bytes bytes, std::vector<Rva> users,
                              bool of_code) {
    const auto before = image.image().bytes_at(at, bytes.size());
    if (!before || *before == ByteView(bytes))
        return std::nullopt;
    return Mutant{kind, at, std::move(bytes), std::move(users), of_code};
}

std::optional<Rva> another_target(const RawImage& image, Kind kind, const Instruction& one, Random& random) {
    const Rva from = *one.target;
    if (kind == Kind::call_target) {
        const Rva to = random.one_of(image.entries());
        return to != from ? std::optional(to) : std::nullopt;
    }
    const auto& references = image.data_references();
    const Instruction& other = *random.one_of(references);
    const Rva to = *other.target;
    // What is read must be there to be read: another reference says how much of it there is.
    if (other.access < one.access)
        return std::nullopt;
    if (to == from || image.of_linker(to) || image.stretch_at(to))
        return std::nullopt;
    const pe::Section* old_section = image.image().section_at(from);
    const pe::Section* new_section = image.image().section_at(to);
    if (!old_section || !new_section || image.stretch_at(from) || new_section->executable())
        return std::nullopt;
    if (kind == Kind::string_reference)
        return image.string_at(from) != 0 && image.string_at(from) == image.string_at(to) &&
                       *image.image().string_at(from, 4096) != *image.image().string_at(to, 4096)
                   ? std::optional(to)
                   : std::nullopt;
    // Of writable data the address counts, of read-only data what lies there.
    const std::uint32_t size = one.access != 0 ? one.access : 1;
    const auto before = image.image().content({from, size});
    const auto after = image.image().content({to, size});
    if (!before || !after || (!old_section->writable() && !new_section->writable() && *before == *after))
        return std::nullopt;
    return to;
}

std::optional<Mutant> generate(const RawImage& image, Kind kind, Random& random) {
    if (kind >= Kind::constant_byte || image.instructions().empty())
        return generate_data(image, kind, random);
    const Instruction& one =
        kind == Kind::data_reference || kind == Kind::string_reference
            ? image.data_references().empty() ? image.instructions().front() : *random.one_of(image.data_references())
            : random.one_of(image.instructions());
    return image.is_arm64() ? generate_arm64(image, kind, one, random) : generate_x64(image, kind, one, random);
}

} // namespace suture::test
