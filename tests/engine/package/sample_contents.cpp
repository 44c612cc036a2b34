#include "tests/engine/package/sample_contents.hpp"

#include "engine/package/assemble.hpp"
#include "engine/package/hotp_section.hpp"
#include "engine/pe/image.hpp"

#include <algorithm>

namespace suture::package::test {

namespace {

constexpr Rva kText{0x1000};

Manifest manifest_of_heartbeat() {
    Manifest manifest;
    manifest.id = "heartbeat 2026-02 fix";
    manifest.module = "heartbeat.dll";
    manifest.baseline = {Machine::x64, 0x6955b900, 0x0001a2b3, 0x9000, false, {}, 0};
    for (std::size_t i = 0; i < 32; ++i)
        manifest.baseline_sha256[i] = static_cast<std::uint8_t>(i * 7 + 1);
    for (std::size_t i = 0; i < 20; ++i)
        manifest.baseline_sha1[i] = static_cast<std::uint8_t>(i * 11 + 3);
    manifest.sections = {{{{0x1000}, 0x3456}, digest_of(Bytes{1, 2, 3})}};
    return manifest;
}

Replacement function_at(std::string name, Rva baseline, std::uint32_t size, Rva patch, std::uint32_t patch_size) {
    Replacement function;
    function.name = std::move(name);
    function.baseline = baseline;
    function.baseline_size = size;
    function.baseline_digest = digest_of(Bytes{static_cast<std::uint8_t>(baseline.value)});
    function.patch = patch;
    function.patch_size = patch_size;
    set_site(function, isa::SiteKind::x64_padded, 2, baseline - 5u);
    return function;
}

/// The pad has room for a jump through the cell.
void widen(Replacement& function, Rva pad) {
    function.site.pad = pad;
    function.site.pad_size = isa::Isa::kWideBranchSize;
    function.pad_bytes.assign(function.site.pad_size, 0xcc);
}

std::uint32_t next_page(std::uint32_t rva) {
    return (rva + kPageSize - 1) / kPageSize * kPageSize;
}

void store64(SectionContent& section, std::uint32_t offset, std::uint64_t value) {
    std::memcpy(section.bytes.data() + offset, &value, sizeof(value));
}

} // namespace

void set_site(Replacement& function, isa::SiteKind kind, std::uint32_t displaced, Rva pad) {
    const bool is_short = kind == isa::SiteKind::x64_padded || kind == isa::SiteKind::x64_cave;
    const std::uint32_t entry_size = kind == isa::SiteKind::arm64_branch ? 4 : is_short ? 2 : 5;
    function.site = {kind, function.baseline, entry_size, pad, displaced};
    function.entry_bytes.assign(function.site.original_size(), 0x90);
    function.pad_bytes.assign(is_short ? 5 : 0, 0xcc);
}

void set_wide(Replacement& function, isa::SiteKind kind, std::uint32_t displaced) {
    set_site(function, kind, displaced);
    function.site.entry_size = isa::Isa::kWideBranchSize;
    function.entry_bytes.assign(function.site.original_size(), 0x90);
}

Contents nothing() {
    Contents contents;
    contents.manifest = manifest_of_heartbeat();
    return contents;
}

Contents one_function() {
    Contents contents;
    contents.manifest = manifest_of_heartbeat();
    // sub rsp, 40; call <baseline>; xor eax, eax; add rsp, 40; ret
    const Bytes code = {0x48, 0x83, 0xec, 0x28, 0xe8, 0, 0, 0, 0, 0x31, 0xc0, 0x48, 0x83, 0xc4, 0x28, 0xc3};
    const auto size = static_cast<std::uint32_t>(code.size());
    // UNWIND_INFO 1: prologue of 4 bytes, one code: allocation of 40
    const Bytes unwind = {0x01, 0x04, 0x01, 0x00, 0x04, 0x42, 0x00, 0x00};
    contents.sections = {{".text", kText, code, size}, {".rdata", {0x2000}, unwind, 8}};
    contents.runtime_functions = {{{kText, size}, {0x2000}}};
    contents.manifest.functions = {function_at("heartbeat_reply", {0x1230}, 120, kText, size)};
    contents.manifest.fixups = {{FixupKind::rel32, kText + 5u, {0x1400}, -4}};
    return contents;
}

Contents arm64_function() {
    Contents contents;
    contents.manifest = manifest_of_heartbeat();
    contents.manifest.machine = contents.manifest.baseline.machine = Machine::arm64;
    // mov w0, #0; ret
    contents.sections = {{".text", kText, {0x00, 0x00, 0x80, 0x52, 0xc0, 0x03, 0x5f, 0xd6}, 8}};
    contents.manifest.functions = {function_at("heartbeat_reply", {0x1230}, 120, kText, 8)};
    set_site(contents.manifest.functions[0], isa::SiteKind::arm64_branch, 4);
    return contents;
}

Contents arm64_everything() {
    Contents contents = arm64_function();
    contents.manifest.functions[0].patch_size = 0x20;
    // stp x29, x30, [sp, #-16]!; adrp x8; ldr w0, [x8, #0x10]; bl; ldp x29, x30, [sp], #16; b; adrp x9; ret
    SectionContent& text = contents.sections[0];
    text.bytes.clear();
    for (const std::uint32_t word : {0xa9bf7bfdu, 0x90000008u, 0xb9401100u, 0x94000000u, 0xa8c17bfdu, 0x14000000u,
                                     0x90000009u, 0xd65f03c0u, 0xd503201fu, 0xd65f03c0u, 0xd503201fu, 0xd65f03c0u})
        for (unsigned shift = 0; shift < 32; shift += 8)
            text.bytes.push_back(static_cast<std::uint8_t>(word >> shift));
    text.virtual_size = static_cast<std::uint32_t>(text.bytes.size());
    // A record: 8 instructions, one epilogue, one word of codes: save_fplr_x #16, end; a pointer into the baseline.
    contents.sections.push_back(
        {".rdata", {0x2000}, {0x08, 0x00, 0x20, 0x08, 0x81, 0xe4, 0xe3, 0xe3, 0, 0, 0, 0, 0, 0, 0, 0}, 16});
    contents.runtime_functions = {
        {{kText, 0x20}, {0x2000}, 0}, {{kText + 0x20u, 8}, {}, 1 | 2 << 2}, {{kText + 0x28u, 8}, {}, 2 | 2 << 2}};
    contents.manifest.fixups = {{FixupKind::arm64_page21, kText + 4u, {0x5010}, 0},
                                {FixupKind::arm64_branch26, kText + 12u, {0x1400}, 0},
                                {FixupKind::arm64_branch26, kText + 20u, {0x1500}, 0},
                                {FixupKind::arm64_page21, kText + 24u, {0x6000}, 0},
                                {FixupKind::absolute64, {0x2008}, {0x5010}, 0}};
    return contents;
}

Contents everything() {
    Contents contents = one_function();
    Manifest& manifest = contents.manifest;
    manifest.id = "Fix für CVE-2026-0001 – 修复 🩹";
    manifest.sequence = 7;
    manifest.min_sequence = 3;
    manifest.module = "herzschläge.dll";
    manifest.baseline.has_pdb = true;
    manifest.baseline.pdb_guid = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    manifest.baseline.pdb_age = 2;
    manifest.sections.push_back({{{0x5000}, 0x800}, digest_of(Bytes{4, 5, 6})});

    contents.sections[0].bytes.resize(0x300, 0xcc);
    contents.sections[0].virtual_size = 0x300;
    manifest.functions = {
        function_at("heartbeat_reply", {0x1230}, 120, kText, 16),
        function_at("", {0x1300}, 64, kText + 0x40u, 32),
        function_at("?größe@Puls@@QEAAXXZ", {0x1400}, 80, kText + 0x80u, 64),
        function_at("leaf", {0x1500}, 3, kText + 0x100u, 8),
        function_at("in_another_section", {0x5010}, 16, kText + 0x200u, 0x100),
    };
    set_site(manifest.functions[1], isa::SiteKind::x64_cave, 3, {0x1360});
    set_site(manifest.functions[2], isa::SiteKind::x64_prologue, 19);
    set_site(manifest.functions[3], isa::SiteKind::x64_tail, 3);
    manifest.functions[2].loops_to_entry = true;

    SectionContent& rdata = contents.sections[1];
    rdata.bytes.resize(0x40);
    contents.imports = build_import_table({{"WS2_32.dll", "", 111},
                                           {"KERNEL32.dll", "Sleep", 0},
                                           {"WS2_32.dll", "recv", 0},
                                           {"KERNEL32.dll", "GetTickCount64", 0}},
                                          {0x2040});
    rdata.bytes.insert(rdata.bytes.end(), contents.imports->bytes.begin(), contents.imports->bytes.end());
    rdata.virtual_size = static_cast<std::uint32_t>(rdata.bytes.size());
    store64(rdata, 0x10, kPreferredBase.value + 0x1040);
    store64(rdata, 0x18, kPreferredBase.value + 0x3000);
    SectionContent data{".data", {0x3000}, Bytes(0x20, 0x11), 0x3210};
    store64(data, 0x08, kPreferredBase.value + 0x1080);
    contents.sections.push_back(data);
    contents.relocations = {{0x3008}, {0x2018}, {0x2010}};

    manifest.fixups = {
        {FixupKind::rel32, kText + 5u, {0x1400}, -4},
        {FixupKind::rel32, kText + 0x90u, {0x7008}, -4},
        {FixupKind::rel32, kText + 0x98u, {0x7008}, -8},
        {FixupKind::absolute64, {0x2020}, {0x6000}, 0},
        {FixupKind::absolute64, {0x3018}, {0x1300}, 0x7fffffff},
    };

    manifest.retired = {{{0x1600}, 0x20}, {{0x5100}, 1}};
    manifest.globals = {{"puls_zähler", {0x3000}, 8}, {"", {0x3020}, 1}, {"buffer", {0x4000}, 0x2210}};
    contents.runtime_functions.push_back({{kText + 0x40u, 0x20}, {0x2000}});
    return contents;
}

Contents guarded() {
    Contents contents = everything();
    contents.manifest.guarded = true;
    contents.manifest.call_targets = {kText + 0x40u, kText + 0x100u, kText + 0x2f0u};
    contents.manifest.baseline_call_targets = {{0x1001}, {0x1400}, {0x57ff}};
    return contents;
}

Contents random_contents(std::mt19937_64& random) {
    const auto below = [&](std::uint32_t limit) { return static_cast<std::uint32_t>(random() % limit); };
    const auto bytes = [&](std::size_t size) {
        Bytes result(size);
        std::ranges::generate(result, [&] { return static_cast<std::uint8_t>(random()); });
        return result;
    };
    const auto name = [&] {
        static const std::string_view pieces[] = {"a", "_Z", "ß", "関数", "🫀", " ", "::", "operator<"};
        std::string text;
        for (std::uint32_t i = below(6); i > 0; --i)
            text += pieces[below(std::size(pieces))];
        return text;
    };

    Contents contents;
    Manifest& manifest = contents.manifest;
    manifest = manifest_of_heartbeat();
    manifest.id = name();
    manifest.module = "m" + std::to_string(below(100)) + "ß.dll";
    manifest.sequence = 1 + below(1000);
    manifest.min_sequence = below(manifest.sequence);
    manifest.baseline = {Machine::x64,
                         static_cast<std::uint32_t>(random()),
                         static_cast<std::uint32_t>(random()),
                         0x200000,
                         below(2) == 1,
                         {},
                         0};
    if (manifest.baseline.has_pdb) {
        std::ranges::generate(manifest.baseline.pdb_guid, [&] { return static_cast<std::uint8_t>(random()); });
        manifest.baseline.pdb_age = static_cast<std::uint32_t>(random());
    }
    manifest.sections = {{{{0x1000}, 0x100000}, digest_of(bytes(3))}};

    std::uint32_t rva = kFirstSection.value;
    const auto add_section = [&](std::string section, std::uint32_t size, std::uint32_t zeros) {
        contents.sections.push_back({std::move(section), {rva}, bytes(size), size + zeros});
        rva = next_page(rva + size + zeros);
        return contents.sections.back().rva;
    };
    const std::uint32_t functions = below(40);
    const Rva text = add_section(".text", (functions + 1) * 64, 0);
    for (std::uint32_t i = 0; i < functions; ++i) {
        const Rva at{0x1010 + i * 128};
        Replacement function = function_at(name(), at, 16 + below(80), text + i * 64, 1 + below(64));
        std::ranges::generate(function.baseline_digest.bytes, [&] { return static_cast<std::uint8_t>(random()); });
        switch (below(4)) {
        case 0:
            set_site(function, isa::SiteKind::x64_padded, 2 + below(14), at - 5u);
            if (below(2) != 0)
                widen(function, at - 6u);
            break;
        case 1:
            set_site(function, isa::SiteKind::x64_cave, 2 + below(14), at + 100u);
            if (below(2) != 0)
                widen(function, at + 100u);
            break;
        case 2:
            if (below(2) != 0)
                set_wide(function, isa::SiteKind::x64_prologue, 6 + below(15));
            else
                set_site(function, isa::SiteKind::x64_prologue, 5 + below(16));
            break;
        default:
            if (below(2) != 0)
                set_wide(function, isa::SiteKind::x64_tail, 1 + below(5));
            else
                set_site(function, isa::SiteKind::x64_tail, 1 + below(4));
            break;
        }
        function.baseline_size = function.site.kind == isa::SiteKind::x64_tail
                                     ? function.site.displaced
                                     : std::max(function.baseline_size, function.site.displaced);
        function.entry_bytes = bytes(function.entry_bytes.size());
        function.pad_bytes = bytes(function.pad_bytes.size());
        function.loops_to_entry = below(4) == 0;
        manifest.functions.push_back(std::move(function));
        for (std::uint32_t at_field = 0; at_field < 64; at_field += 4 + below(30)) {
            if (at_field + 4 <= 64)
                manifest.fixups.push_back({FixupKind::rel32,
                                           text + (i * 64 + at_field),
                                           {below(0x200000)},
                                           below(3) == 0 ? static_cast<std::int32_t>(random()) : -4});
        }
    }
    if (below(2) == 0) {
        const Rva rdata = add_section(".rdata", 8 + below(3000) / 8 * 8, 0);
        SectionContent& section = contents.sections.back();
        section.bytes[0] = section.bytes[1] = section.bytes[2] = section.bytes[3] = 0;
        section.bytes[0] = 1;
        if (functions > 0 && below(2) == 0)
            contents.runtime_functions = {{{text, 64 * functions}, rdata}};
        for (std::uint32_t at = 8; at + 8 <= section.bytes.size(); at += 8 + below(5) * 8) {
            if (below(2) == 0) {
                store64(section, at, kPreferredBase.value + below(0x1000));
                contents.relocations.push_back(rdata + at);
            } else {
                manifest.fixups.push_back({FixupKind::absolute64, rdata + at, {below(0x200000)}, 0});
            }
        }
        if (below(2) == 0) {
            std::vector<ImportRequest> requests;
            for (std::uint32_t i = 1 + below(20); i > 0; --i)
                requests.push_back({"D" + std::to_string(below(4)) + ".dll",
                                    below(3) == 0 ? "" : "f" + std::to_string(below(9)),
                                    static_cast<std::uint16_t>(random())});
            const auto at = static_cast<std::uint32_t>(section.bytes.size());
            contents.imports = build_import_table(std::move(requests), rdata + at);
            section.bytes.insert(section.bytes.end(), contents.imports->bytes.begin(), contents.imports->bytes.end());
            section.virtual_size = static_cast<std::uint32_t>(section.bytes.size());
            rva = next_page(rdata.value + section.virtual_size);
        }
    }
    if (below(2) == 0) {
        const Rva data = add_section(".data", below(700), 1 + below(9000));
        for (std::uint32_t at = 0; at + 16 <= contents.sections.back().virtual_size; at += 16 + below(4000))
            manifest.globals.push_back({name(), data + at, 1 + below(16)});
    }
    manifest.guarded = below(3) == 0;
    if (manifest.guarded) {
        for (std::uint32_t at = 0; at < (functions + 1) * 64; at += 16 * (1 + below(8)))
            manifest.call_targets.push_back(text + at);
        for (std::uint32_t at = 0x1000 + below(5000); at < 0x101000; at += 1 + below(90000))
            manifest.baseline_call_targets.push_back({at});
    }
    std::ranges::shuffle(contents.relocations, random);
    return contents;
}

void reseal(Bytes& file) {
    const auto image = pe::Image::parse(file, pe::Layout::file);
    const std::uint64_t hotp = offset_of_section(file, ".hotp");
    if (!image || !ByteView(file).contains(hotp, sizeof(HotpHeader)))
        return;
    const DigestHoles holes{
        image->checksum_offset(), image->directory_offset(pe::Directory::certificates), {hotp + kDigestAt}};
    const std::uint32_t lfanew = *ByteView(file).read<std::uint32_t>(0x3c);
    seal(file, {std::uint64_t{lfanew} + 8}, holes);
}

std::uint64_t offset_of_section(ByteView file, std::string_view name) {
    const auto image = pe::Image::parse(file, pe::Layout::file);
    const pe::Section* section = image ? image->section_named(name) : nullptr;
    return section ? section->raw.value : 0;
}

std::uint64_t offset_in_hotp(ByteView file, std::uint64_t offset) {
    return offset_of_section(file, ".hotp") + offset;
}

} // namespace suture::package::test
