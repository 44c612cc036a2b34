#include "engine/package/rules.hpp"
#include "tests/engine/package/sample_contents.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace suture::package {

namespace {

using namespace test;

struct Case {
    const char* what;
    std::function<void(Contents&)> change;
};

TEST(ContentsRules, TakeWhatIsAtTheirLimits) {
    const std::vector<Case> cases = {
        {"a replacement up to the end of .text", [](Contents& c) { c.manifest.functions[4].patch_size = 0x100; }},
        {"two functions with one replacement",
         [](Contents& c) { c.manifest.functions[1].patch = c.manifest.functions[0].patch; }},
        {"a global up to the end of .data", [](Contents& c) { c.manifest.globals[2].size = 0x2210; }},
        {"a field at the end of the initialised bytes", [](Contents& c) { c.manifest.fixups[4].source = {0x3018}; }},
        {"fields side by side", [](Contents& c) { c.manifest.fixups[4].source = {0x3010}; }},
        {"an RVA of the last byte of the package's data",
         [](Contents& c) {
             c.manifest.fixups[1] = {FixupKind::image_relative32, {0x1090}, {0x620f}, 0};
         }},
        {"a section of a page exactly", [](Contents& c) { c.sections[0].virtual_size = 0x1000; }},
    };
    for (const Case& c : cases) {
        Contents contents = everything();
        c.change(contents);
        const auto file = write_package(contents);
        EXPECT_TRUE(file) << c.what << ": " << file.error().message();
    }
}

TEST(ContentsRules, RefuseWhatBreaksThem) {
    const std::vector<Case> cases = {
        // sections
        {"name: unknown", [](Contents& c) { c.sections[0].name = ".code"; }},
        {"name: one of the writer's", [](Contents& c) { c.sections[2].name = ".hotp"; }},
        {"name: twice", [](Contents& c) { c.sections[1].name = ".text"; }},
        {"names: out of order", [](Contents& c) { std::swap(c.sections[0].name, c.sections[1].name); }},
        {"rva: not the first one", [](Contents& c) { c.sections[0].rva = {0x2000}; }},
        {"rva: a gap", [](Contents& c) { c.sections[2].rva = {0x4000}; }},
        {"rva: not aligned", [](Contents& c) { c.sections[1].rva = {0x1800}; }},
        {"virtual_size: 0", [](Contents& c) { c.sections[2].bytes.clear(), c.sections[2].virtual_size = 0; }},
        {"virtual_size: less than the content", [](Contents& c) { c.sections[2].virtual_size = 0x1f; }},
        {"virtual_size: too large an image", [](Contents& c) { c.sections[2].virtual_size = 0x10000000; }},
        {"virtual_size: the end wraps around", [](Contents& c) { c.sections[2].virtual_size = 0xffffffff; }},
        // replacements and globals
        {"patch: outside the image", [](Contents& c) { c.manifest.functions[0].patch = {0x100000}; }},
        {"patch: in .rdata", [](Contents& c) { c.manifest.functions[0].patch = {0x2000}; }},
        {"patch: in .data", [](Contents& c) { c.manifest.functions[0].patch = {0x3000}; }},
        {"patch_size: 0", [](Contents& c) { c.manifest.functions[0].patch_size = 0; }},
        {"patch_size: beyond .text", [](Contents& c) { c.manifest.functions[4].patch_size = 0x101; }},
        {"patch_size: the end wraps around", [](Contents& c) { c.manifest.functions[4].patch_size = 0xffffffff; }},
        {"global: in .rdata", [](Contents& c) { c.manifest.globals[0].at = {0x2030}; }},
        {"global: beyond .data", [](Contents& c) { c.manifest.globals[2].size = 0x2211; }},
        // fields
        {"fixup: in no section", [](Contents& c) { c.manifest.fixups[4].source = {0xfffffffc}; }},
        {"fixup: in .hotp", [](Contents& c) { c.manifest.fixups[4].source = {0x9100}; }},
        {"fixup: in zero fill", [](Contents& c) { c.manifest.fixups[4].source = {0x3800}; }},
        {"fixup: half in zero fill", [](Contents& c) { c.manifest.fixups[4].source = {0x301c}; }},
        {"fixup: over another fixup", [](Contents& c) { c.manifest.fixups[1].source = {0x1008}; }},
        {"fixup: an RVA behind the package's data",
         [](Contents& c) {
             c.manifest.fixups[1] = {FixupKind::image_relative32, {0x1090}, {0x6210}, 0};
         }},
        {"fixup: an RVA of the package's header",
         [](Contents& c) {
             c.manifest.fixups[1] = {FixupKind::image_relative32, {0x1090}, {0x0}, 0};
         }},
        {"fixup: over a relocation", [](Contents& c) { c.manifest.fixups[3].source = {0x201c}; }},
        {"fixup: in the import table", [](Contents& c) { c.manifest.fixups[3].source = {0x20b0}; }},
        {"relocation: twice", [](Contents& c) { c.relocations.push_back(c.relocations[0]); }},
        {"relocation: overlapping", [](Contents& c) { c.relocations.push_back({0x2014}); }},
        {"relocation: in zero fill", [](Contents& c) { c.relocations.push_back({0x3400}); }},
        {"relocation: of a field that points nowhere", [](Contents& c) { c.relocations.push_back({0x2028}); }},
        // imports
        {"imports: without a slot", [](Contents& c) { c.imports->slots.clear(); }},
        {"imports: not in the sections", [](Contents& c) { c.imports->directory.begin = {0x2048}; }},
        {"imports: other bytes", [](Contents& c) { c.imports->bytes[0] ^= 1; }},
        {"imports: another directory", [](Contents& c) { c.imports->directory.size += 20; }},
        {"imports: another address table", [](Contents& c) { c.imports->address_table.size -= 8; }},
        {"imports: a table that is not in the one form",
         [](Contents& c) {
             c.sections[1].bytes[0x44] = c.imports->bytes[4] = 1; // TimeDateStamp of the first DLL
         }},
        // unwind data
        {"runtime function: in .rdata", [](Contents& c) { c.runtime_functions[0].range.begin = {0x2000}; }},
        {"runtime function: empty", [](Contents& c) { c.runtime_functions[0].range.size = 0; }},
        {"runtime function: beyond .text", [](Contents& c) { c.runtime_functions[1].range.size = 0x1000; }},
        {"runtime functions: overlapping", [](Contents& c) { c.runtime_functions[0].range.size = 0x41; }},
        {"unwind info: not aligned", [](Contents& c) { c.runtime_functions[0].unwind_info = {0x2002}; }},
        {"unwind info: in zero fill", [](Contents& c) { c.runtime_functions[0].unwind_info = {0x3400}; }},
        {"unwind info: of an unknown version", [](Contents& c) { c.sections[1].bytes[0] = 7; }},
        {"unwind info: packed, for another machine", [](Contents& c) { c.runtime_functions[0].packed = 1 | 4 << 2; }},
    };
    for (const Case& c : cases) {
        Contents contents = everything();
        c.change(contents);
        const auto file = write_package(contents);
        ASSERT_FALSE(file) << c.what;
        EXPECT_EQ(file.error().code(), Code::package_malformed) << c.what;
    }
}

TEST(ContentsRules, RefuseCallTargetsThatBreakThem) {
    ASSERT_TRUE(write_package(guarded()));
    const std::vector<Case> cases = {
        {"not aligned", [](Contents& c) { c.manifest.call_targets[0] = {0x1048}; }},
        {"outside the image", [](Contents& c) { c.manifest.call_targets[2] = {0xfffffff0}; }},
        {"behind the code", [](Contents& c) { c.manifest.call_targets[2] = {0x1300}; }},
        {"in .rdata", [](Contents& c) { c.manifest.call_targets[2] = {0x2000}; }},
        {"in .data", [](Contents& c) { c.manifest.call_targets[2] = {0x3000}; }},
        {"in the header", [](Contents& c) { c.manifest.call_targets[0] = {0x10}; }},
    };
    for (const Case& c : cases) {
        Contents contents = guarded();
        c.change(contents);
        const auto file = write_package(contents);
        ASSERT_FALSE(file) << c.what;
        EXPECT_EQ(file.error().code(), Code::package_malformed) << c.what;
    }
}

TEST(ContentsRules, RefuseWhatBreaksThemOnArm64) {
    ASSERT_TRUE(write_package(arm64_everything()));
    const std::vector<Case> cases = {
        // instructions that fixups fill in
        {"page21: no adrp", [](Contents& c) { c.manifest.fixups[0].source = {0x1008}; }},
        {"page21: an adr", [](Contents& c) { c.sections[0].bytes[7] = 0x10; }},
        {"branch26: an adrp", [](Contents& c) { c.manifest.fixups[0].kind = FixupKind::arm64_branch26; }},
        {"branch26: a conditional branch", [](Contents& c) { c.sections[0].bytes[23] = 0x54; }},
        {"page21: not aligned", [](Contents& c) { c.manifest.fixups[0].source = {0x1005}; }},
        {"page21: in .rdata",
         [](Contents& c) {
             c.sections[1].bytes[11] = 0x90;
             c.manifest.fixups[4] = {FixupKind::arm64_page21, {0x2008}, {0x5010}, 0};
         }},
        {"branch26: cut off",
         [](Contents& c) {
             c.sections[0].bytes.resize(22);
             c.runtime_functions.clear();
         }},
        // what fixups may say
        {"branch26: with an addend", [](Contents& c) { c.manifest.fixups[1].addend = 4; }},
        {"page21: with an addend", [](Contents& c) { c.manifest.fixups[0].addend = -4; }},
        {"branch26: to a place that is not aligned", [](Contents& c) { c.manifest.fixups[1].target = {0x1402}; }},
        {"fixup: of an unknown kind", [](Contents& c) { c.manifest.fixups[4].kind = static_cast<FixupKind>(6); }},
        {"fixup: an RVA, for x64", [](Contents& c) { c.manifest.fixups[4].kind = FixupKind::image_relative32; }},
        // sites
        {"site: not aligned",
         [](Contents& c) {
             c.manifest.functions[0].baseline = {0x1232};
             set_site(c.manifest.functions[0], isa::SiteKind::arm64_branch, 4);
         }},
        // unwind data
        {"entry: not aligned", [](Contents& c) { c.runtime_functions[2].range.begin = {0x1029}; }},
        {"entry: of another size than its record", [](Contents& c) { c.runtime_functions[0].range.size = 0x1c; }},
        {"entry: of another size than it says", [](Contents& c) { c.runtime_functions[1].range.size = 4; }},
        {"entry: packed, of an unknown kind", [](Contents& c) { c.runtime_functions[1].packed |= 3; }},
        {"entry: packed, with a record too", [](Contents& c) { c.runtime_functions[1].unwind_info = {0x2000}; }},
        {"entry: packed, too many registers", [](Contents& c) { c.runtime_functions[1].packed |= 15 << 16; }},
        {"record: outside the sections", [](Contents& c) { c.runtime_functions[0].unwind_info = {}; }},
        {"record: not aligned", [](Contents& c) { c.runtime_functions[0].unwind_info = {0x2002}; }},
        {"record: codes without an end", [](Contents& c) { c.sections[1].bytes[5] = 0xe3; }},
        {"record: for the other machine", [](Contents& c) { c.sections[1].bytes = everything().sections[1].bytes; }},
    };
    for (const Case& c : cases) {
        Contents contents = arm64_everything();
        c.change(contents);
        const auto file = write_package(contents);
        ASSERT_FALSE(file) << c.what;
        EXPECT_EQ(file.error().code(), Code::package_malformed) << c.what;
    }
}

TEST(ContentsRules, RefuseFixupsOfArm64ForX64) {
    for (const FixupKind kind : {FixupKind::arm64_page21, FixupKind::arm64_branch26}) {
        Contents contents = one_function();
        contents.manifest.fixups = {{kind, {0x1004}, {0x1400}, 0}};
        const auto file = write_package(contents);
        ASSERT_FALSE(file);
        EXPECT_EQ(file.error().code(), Code::package_malformed);
    }
}

} // namespace

} // namespace suture::package
