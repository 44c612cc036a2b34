#include "engine/package/limits.hpp"
#include "engine/package/rules.hpp"
#include "tests/engine/package/sample_contents.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace suture::package {

namespace {

using namespace test;
using Change = std::function<void(Manifest&)>;

struct Case {
    const char* what;
    Change change;
};

TEST(ManifestRules, TakeWhatIsAtTheirLimits) {
    const std::vector<Case> cases = {
        {"an empty id", [](Manifest& m) { m.id.clear(); }},
        {"the longest id", [](Manifest& m) { m.id.assign(kMaxId, 'x'); }},
        {"the longest module name", [](Manifest& m) { m.module.assign(kMaxModule, 'x'); }},
        {"the longest name", [](Manifest& m) { m.functions[0].name.assign(kMaxName, 'x'); }},
        {"any sequence", [](Manifest& m) { m.sequence = 0xffffffff, m.min_sequence = 0xfffffffe; }},
        {"a section up to the end of the image", [](Manifest& m) { m.sections[1].range.size = 0x4000; }},
        {"a function up to the end of its section", [](Manifest& m) { m.functions[4].baseline_size = 0x7f0; }},
        {"a fixup to the last byte of the image", [](Manifest& m) { m.fixups[0].target = {0x8fff}; }},
        {"an instruction of 15 bytes",
         [](Manifest& m) { set_site(m.functions[0], isa::SiteKind::x64_padded, 15, m.functions[0].site.pad); }},
        {"no globals", [](Manifest& m) { m.globals.clear(); }},
        {"a pad of 6 bytes",
         [](Manifest& m) {
             m.functions[0].site.pad = m.functions[0].site.pad - 1;
             m.functions[0].site.pad_size = 6;
             m.functions[0].pad_bytes.assign(6, 0xcc);
         }},
        {"6 bytes of a prologue", [](Manifest& m) { set_wide(m.functions[2], isa::SiteKind::x64_prologue, 6); }},
        {"an instruction of 15 bytes behind 5",
         [](Manifest& m) { set_wide(m.functions[2], isa::SiteKind::x64_prologue, 20); }},
        {"6 bytes of a tail", [](Manifest& m) { set_wide(m.functions[3], isa::SiteKind::x64_tail, 3); }},
    };
    for (const Case& c : cases) {
        Manifest manifest = everything().manifest;
        c.change(manifest);
        const auto result = check_manifest(manifest);
        EXPECT_TRUE(result) << c.what << ": " << result.error().message();
    }
}

TEST(ManifestRules, RefuseWhatBreaksThem) {
    using isa::SiteKind;
    const std::vector<Case> cases = {
        // identity
        {"id: too long", [](Manifest& m) { m.id.assign(kMaxId + 1, 'x'); }},
        {"id: an escape sequence", [](Manifest& m) { m.id = "\x1b[31m"; }},
        {"module: empty", [](Manifest& m) { m.module.clear(); }},
        {"module: too long", [](Manifest& m) { m.module.assign(kMaxModule + 1, 'x'); }},
        {"module: a path", [](Manifest& m) { m.module = "..\\kernel32.dll"; }},
        {"module: a POSIX path", [](Manifest& m) { m.module = "a/b.dll"; }},
        {"module: a drive", [](Manifest& m) { m.module = "c:b.dll"; }},
        {"module: no UTF-8", [](Manifest& m) { m.module = "\xff.dll"; }},
        {"machine: not the baseline's", [](Manifest& m) { m.machine = Machine::arm64; }},
        {"pdb_guid: without a PDB", [](Manifest& m) { m.baseline.has_pdb = false, m.baseline.pdb_age = 0; }},
        {"pdb_age: without a PDB", [](Manifest& m) { m.baseline.has_pdb = false, m.baseline.pdb_guid = {}; }},
        {"sequence: 0", [](Manifest& m) { m.sequence = m.min_sequence = 0; }},
        {"min_sequence: equal to sequence", [](Manifest& m) { m.min_sequence = m.sequence; }},
        {"pad: 6 bytes of which 5 are given", [](Manifest& m) { m.functions[0].site.pad_size = 6; }},
        {"pad: 4 bytes",
         [](Manifest& m) {
             m.functions[0].site.pad_size = 4;
             m.functions[0].pad_bytes.assign(4, 0xcc);
         }},
        {"pad: a size where the kind has none", [](Manifest& m) { m.functions[2].site.pad_size = 6; }},
        // the baseline's sections
        {"sections: too many", [](Manifest& m) { m.sections.resize(kMaxSections + 1); }},
        {"sections: an empty one", [](Manifest& m) { m.sections[1].range.size = 0; }},
        {"sections: out of order", [](Manifest& m) { std::swap(m.sections[0], m.sections[1]); }},
        {"sections: overlapping", [](Manifest& m) { m.sections[0].range.size = 0x4001; }},
        {"sections: outside the image", [](Manifest& m) { m.sections[1].range.size = 0x4001; }},
        {"sections: the end wraps around", [](Manifest& m) { m.sections[1].range.size = 0xffffffff; }},
        // functions
        {"functions: out of order", [](Manifest& m) { std::swap(m.functions[0], m.functions[1]); }},
        {"functions: the same twice", [](Manifest& m) { m.functions[1] = m.functions[0]; }},
        {"name: a line break", [](Manifest& m) { m.functions[0].name = "a\nb"; }},
        {"name: too long", [](Manifest& m) { m.functions[0].name.assign(kMaxName + 1, 'x'); }},
        {"baseline: outside the baseline's code",
         [](Manifest& m) { m.functions[4].baseline = m.functions[4].site.entry = {0x6000}; }},
        {"baseline_size: 0", [](Manifest& m) { m.functions[0].baseline_size = 0; }},
        {"baseline_size: beyond the section", [](Manifest& m) { m.functions[4].baseline_size = 0x7f1; }},
        {"baseline_size: the end wraps around", [](Manifest& m) { m.functions[4].baseline_size = 0xffffffff; }},
        // sites
        {"site.kind: of another machine", [](Manifest& m) { set_site(m.functions[0], SiteKind::arm64_branch, 4); }},
        {"site.kind: unknown", [](Manifest& m) { m.functions[0].site.kind = static_cast<SiteKind>(9); }},
        {"site.entry: not the function's", [](Manifest& m) { m.functions[0].site.entry = {0x1231}; }},
        {"site.entry_size: not the kind's", [](Manifest& m) { m.functions[0].site.entry_size = 5; }},
        {"site.displaced: 0", [](Manifest& m) { m.functions[0].site.displaced = 0; }},
        {"site.displaced: less than is replaced",
         [](Manifest& m) { set_site(m.functions[2], SiteKind::x64_prologue, 4); }},
        {"site.displaced: 5 where 6 are replaced",
         [](Manifest& m) { set_wide(m.functions[2], SiteKind::x64_prologue, 5); }},
        {"site.displaced: no wide tail", [](Manifest& m) { set_wide(m.functions[3], SiteKind::x64_tail, 6); }},
        {"site.entry_size: 7",
         [](Manifest& m) {
             m.functions[3].site.entry_size = 7;
             m.functions[3].entry_bytes.resize(7, 0xcc);
         }},
        {"site.displaced: no tail", [](Manifest& m) { set_site(m.functions[3], SiteKind::x64_tail, 5); }},
        {"site.displaced: more than a continuation takes",
         [](Manifest& m) { set_site(m.functions[2], SiteKind::x64_prologue, 21); }},
        {"site.pad: where the kind has none", [](Manifest& m) { m.functions[2].site.pad = {0x1360}; }},
        {"site.pad: outside the baseline's code", [](Manifest& m) { m.functions[0].site.pad = {0x8000}; }},
        {"site.pad: the entry itself", [](Manifest& m) { m.functions[0].site.pad = {0x1230}; }},
        {"site.pad: that of another function", [](Manifest& m) { m.functions[1].site.pad = m.functions[0].site.pad; }},
        {"site.pad: in the displaced bytes of another", [](Manifest& m) { m.functions[1].site.pad = {0x1410}; }},
        {"entry_bytes: too few", [](Manifest& m) { m.functions[0].entry_bytes.pop_back(); }},
        {"entry_bytes: too many", [](Manifest& m) { m.functions[0].entry_bytes.push_back(0); }},
        {"entry_bytes: only the instructions of a tail", [](Manifest& m) { m.functions[3].entry_bytes.resize(3); }},
        {"pad_bytes: missing", [](Manifest& m) { m.functions[0].pad_bytes.clear(); }},
        {"pad_bytes: where the kind has none", [](Manifest& m) { m.functions[2].pad_bytes.resize(5); }},
        // fixups
        {"fixups: out of order", [](Manifest& m) { std::swap(m.fixups[0], m.fixups[1]); }},
        {"fixups: the same twice", [](Manifest& m) { m.fixups[1] = m.fixups[0]; }},
        {"fixup.kind: unknown", [](Manifest& m) { m.fixups[0].kind = static_cast<FixupKind>(3); }},
        {"fixup.target: outside the baseline", [](Manifest& m) { m.fixups[0].target = {0x9000}; }},
        {"fixup: an RVA with an addend",
         [](Manifest& m) {
             m.fixups[0] = {FixupKind::image_relative32, {0x1005}, {0x2000}, 4};
         }},
        // globals
        {"globals: out of order", [](Manifest& m) { std::swap(m.globals[0], m.globals[1]); }},
        {"globals: overlapping", [](Manifest& m) { m.globals[0].size = 0x21; }},
        {"global.name: no UTF-8", [](Manifest& m) { m.globals[0].name = "\xc3"; }},
        {"global.size: 0", [](Manifest& m) { m.globals[0].size = 0; }},
    };
    for (const Case& c : cases) {
        Manifest manifest = everything().manifest;
        c.change(manifest);
        const auto result = check_manifest(manifest);
        ASSERT_FALSE(result) << c.what;
        EXPECT_EQ(result.error().code(), Code::package_malformed) << c.what;
        Contents contents = everything();
        contents.manifest = manifest;
        EXPECT_FALSE(write_package(contents)) << c.what;
    }
}

TEST(ManifestRules, RefuseCallTargetsThatBreakThem) {
    ASSERT_TRUE(check_manifest(guarded().manifest));
    for (const Case& c : {
             Case{"nothing guards calls", [](Manifest& m) { m.guarded = false; }},
             Case{"nothing guards calls of the baseline",
                  [](Manifest& m) { m.guarded = false, m.call_targets.clear(); }},
             Case{"out of order", [](Manifest& m) { std::swap(m.call_targets[0], m.call_targets[1]); }},
             Case{"twice", [](Manifest& m) { m.call_targets[1] = m.call_targets[0]; }},
             Case{"baseline: out of order",
                  [](Manifest& m) { std::swap(m.baseline_call_targets[0], m.baseline_call_targets[1]); }},
             Case{"baseline: twice", [](Manifest& m) { m.baseline_call_targets[1] = m.baseline_call_targets[0]; }},
             Case{"baseline: the header", [](Manifest& m) { m.baseline_call_targets[0] = {0xfff}; }},
             Case{"baseline: between sections", [](Manifest& m) { m.baseline_call_targets[2] = {0x4fff}; }},
             Case{"baseline: outside the image", [](Manifest& m) { m.baseline_call_targets[2] = {0xffffffff}; }},
             Case{"too many",
                  [](Manifest& m) {
                      m.call_targets.clear();
                      for (std::uint32_t i = 0; i <= kMaxCallTargets; ++i)
                          m.call_targets.push_back({i * kCallTargetAlignment});
                  }},
         }) {
        Manifest manifest = guarded().manifest;
        c.change(manifest);
        const auto result = check_manifest(manifest);
        ASSERT_FALSE(result) << c.what;
        EXPECT_EQ(result.error().code(), Code::package_malformed) << c.what;
    }
}

} // namespace

} // namespace suture::package
