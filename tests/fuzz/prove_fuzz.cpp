// Packages that were changed, against the pair of images they were made for: the proof refuses them, or they do what
// the package did that patchgen made. Digest and CheckSum are put right first, as whoever changed it could.
//
// Input: a byte that chooses the pair, and the package. The pairs are described in pairs/README.md.

#include "patchgen/prove/prove.hpp"
#include "tests/engine/package/sample_contents.hpp"
#include "tests/fuzz/input.hpp"

#include <fstream>
#include <iterator>
#include <string>

namespace suture::prove {
namespace {

using fuzz::require;
using package::Package;
using program::Program;

Bytes read_file(const std::string& name) {
    std::ifstream file(std::string(SUTURE_FUZZ_PAIRS) + "/" + name, std::ios::binary);
    const std::string text(std::istreambuf_iterator<char>(file), {});
    return Bytes(text.begin(), text.end());
}

struct Pair {
    std::unique_ptr<const Program> baseline;
    std::unique_ptr<const Program> updated;
    Bytes package; ///< as patchgen made it

    explicit Pair(const std::string& machine) : package(read_file(machine + ".hotpatch")) {
        for (const auto& [program, version] : {std::pair(&baseline, "baseline"), std::pair(&updated, "updated")}) {
            auto loaded = Program::load(std::string(SUTURE_FUZZ_PAIRS) + "/" + machine + "_" + version + ".dll", {});
            require(loaded.has_value());
            *program = std::move(*loaded);
        }
        require(prove(*baseline, *updated, package).has_value());
    }
};

/// Bits of each byte of a section that the loader leaves as they are.
Bytes kept_bits(const Package& package, RvaRange section) {
    Bytes kept(section.size, 0xff);
    for (const package::Fixup& fixup : package.manifest().fixups) {
        std::uint64_t written = ~std::uint64_t{0};
        if (fixup.kind == package::FixupKind::arm64_page21)
            written = 0x60ffffe0;
        else if (fixup.kind == package::FixupKind::arm64_branch26)
            written = 0x03ffffff;
        for (std::uint32_t i = 0; i < package::size_of(fixup.kind); ++i)
            if (section.contains(fixup.source + i))
                kept[fixup.source + i - section.begin] = static_cast<std::uint8_t>(~(written >> 8 * i));
    }
    return kept;
}

/// What a package does to a process, as far as it must not depend on anything but the pair: sites, code and data, and
/// how they are adjusted.
void require_same_effect(const Package& made, const Package& changed) {
    const auto& old = made.manifest();
    const auto& now = changed.manifest();
    require(old.functions.size() == now.functions.size());
    for (std::size_t i = 0; i < old.functions.size(); ++i) {
        require(old.functions[i].baseline == now.functions[i].baseline &&
                old.functions[i].baseline_size == now.functions[i].baseline_size);
        require(old.functions[i].patch == now.functions[i].patch &&
                old.functions[i].patch_size == now.functions[i].patch_size);
        require(old.functions[i].entry_bytes == now.functions[i].entry_bytes &&
                old.functions[i].pad_bytes == now.functions[i].pad_bytes);
    }
    require(old.fixups == now.fixups);
    require(std::ranges::equal(made.relocations(), changed.relocations()));
    require(std::ranges::equal(made.runtime_functions(), changed.runtime_functions()));
    for (const pe::Section& section : made.image().sections()) {
        if (section.name != ".text" && section.name != ".rdata" && section.name != ".data")
            continue;
        const auto before = made.image().content(section.range);
        const auto after = changed.image().content(section.range);
        require(before && after && before->size() == after->size());
        const Bytes kept = kept_bits(made, section.range);
        for (std::uint32_t i = 0; i < section.range.size; ++i) {
            // Nothing reads the zeros between strings, but for the first.
            const bool is_pad = !section.executable() && i > 0 && (*before)[i] == 0 && (*before)[i - 1] == 0;
            require((((*before)[i] ^ (*after)[i]) & kept[i]) == 0 || is_pad);
        }
    }
}

void read(ByteView input) {
    static const Pair pairs[] = {Pair("x64"), Pair("arm64")};
    if (input.empty())
        return;
    const Pair& pair = pairs[input[0] % 2];
    Bytes file = input.from(1)->copy();
    package::test::reseal(file);
    const auto proof = prove(*pair.baseline, *pair.updated, file);
    if (!proof)
        return require(!proof.error().message().empty());
    const auto made = Package::parse(pair.package);
    const auto changed = Package::parse(file);
    require(made && changed);
    require_same_effect(*made, *changed);
}

} // namespace
} // namespace suture::prove

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    suture::prove::read({data, size});
    return 0;
}
