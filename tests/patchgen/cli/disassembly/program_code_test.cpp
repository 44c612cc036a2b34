#include "patchgen/cli/disassembly/program_code.hpp"
#include "tests/patchgen/samples.hpp"

namespace suture::cli {
namespace {

using test::SamplePair;

std::string listing(const Names& names, std::string_view function) {
    std::string text;
    for (const program::Function& one : names.program().functions())
        if (one.display_name() == function)
            for (const CodeLine& line : code_of(names, one))
                text += line.text + " ; " + line.note + " ; " + line.key + "\n";
    return text;
}

TEST(CodeOf, NamesFunctionsImportsStringsAndData) {
    for (const char* variant : {"clang", "gcc"}) {
        const SamplePair pair("tally", variant);
        const Names names(*pair.updated, nullptr);
        EXPECT_NE(listing(names, "ticking").find("GetTickCount64"), std::string::npos) << variant;
        EXPECT_NE(listing(names, "greeting").find("\"tally-with-the-update\""), std::string::npos) << variant;
        EXPECT_NE(listing(names, "audit").find("audit_count"), std::string::npos) << listing(names, "audit");
    }
}

TEST(CodeOf, GivesTheSameKeysToTheSameCode) {
    for (const bool use_symbols : {true, false}) {
        const auto baseline = test::load(test::sample_path("tally", "clang", "baseline"), use_symbols);
        const auto updated = test::load(test::sample_path("tally", "clang", "updated"), use_symbols);
        const auto changes = diff::compare(*baseline, *updated);
        const Counterparts counterparts(*baseline, *updated, changes);
        std::set<Rva> changed;
        for (const diff::Change& change : changes.changes)
            if (change.updated_rva)
                changed.insert(*change.updated_rva);
        std::size_t lines = 0;
        for (const auto& [old_entry, new_entry] : changes.matches) {
            if (changed.contains(new_entry))
                continue;
            const auto before = code_of(Names(*baseline, nullptr), *baseline->function_at(old_entry));
            const auto after = code_of(Names(*updated, &counterparts), *updated->function_at(new_entry));
            ASSERT_EQ(before.size(), after.size());
            for (std::size_t i = 0; i < before.size(); ++i) {
                EXPECT_EQ(before[i].key, after[i].key);
                EXPECT_EQ(before[i].offset, after[i].offset);
                ++lines;
            }
        }
        EXPECT_GT(lines, 500u);
    }
}

} // namespace
} // namespace suture::cli
