#include "engine/core/error.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>

namespace suture {
namespace {

namespace fs = std::filesystem;

/// A code that no command line on real images and processes provokes, and the test that provokes it otherwise.
struct HeldByTest {
    std::string_view code;
    std::string_view file; ///< under tests/
    std::string_view test; ///< as it is written there
    std::string_view why;
};
constexpr HeldByTest kHeldByTests[] = {
    {"call-target-impossible", "loader/windows/call_targets_test.cpp",
     "TEST_F(CallTargets, OfModulesThatCannotBeSetAreRefused)", "Wine has no control-flow guard"},
    {"symbols-unsupported", "patchgen/program/no_pdb_symbols_test.cpp", "TEST(NoPdbSymbols, AreRefusedWithTheirReason)",
     "only a build without LLVM gives it"},
    {"target-stop-failed", "loader/linux/process_test.cpp", "TEST(Stop, HoldsStillAndMapsAndWritesCodeMeanwhile)",
     "a tracer would have to come between the first look at the threads and their stop"},
    {"target-write-failed", "loader/linux/process_test.cpp", "TEST(Stop, HoldsStillAndMapsAndWritesCodeMeanwhile)",
     "pages of code would have to go between the last check and the write, while all threads stand still"},
    {"unwind-not-registered", "engine/patch/unwind_test.cpp", "TEST_F(Unwind, ThatCannotBeMadeKnownLeavesNothing)",
     "not one thread would have to be in a wait, or in code of its own, for seconds"},
};

std::string content_of(const fs::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// The codes that scenarios declare in lines "# codes: ...", and who does. scenario.sh sees to it that they come.
std::map<std::string, std::set<std::string>> declared() {
    std::map<std::string, std::set<std::string>> codes;
    for (const auto& entry : fs::directory_iterator(SUTURE_SCENARIOS)) {
        std::ifstream script(entry.path() / "run.sh");
        for (std::string line; std::getline(script, line);) {
            constexpr std::string_view kMark = "# codes:";
            if (!line.starts_with(kMark))
                continue;
            std::istringstream words(line.substr(kMark.size()));
            for (std::string code; words >> code;)
                codes[code].insert(entry.path().filename().string());
        }
    }
    return codes;
}

TEST(ScenarioCodes, EveryCodeIsProvokedByAScenarioOrByTheTestThatIsNamed) {
    const auto codes = declared();
    std::set<std::string_view> held;
    for (const HeldByTest& one : kHeldByTests) {
        held.insert(one.code);
        EXPECT_NE(content_of(fs::path(SUTURE_TESTS) / one.file).find(one.test), std::string::npos)
            << one.file << " has no " << one.test;
        EXPECT_FALSE(codes.contains(std::string(one.code))) << one.code << " has a scenario, and needs no other test";
    }
    for (const CodeInfo& info : all_codes())
        EXPECT_TRUE(codes.contains(std::string(info.text)) || held.contains(info.text))
            << "no scenario provokes " << info.text;
}

TEST(ScenarioCodes, EveryDeclaredCodeExists) {
    std::set<std::string_view> known;
    for (const CodeInfo& info : all_codes())
        known.insert(info.text);
    for (const auto& [code, scenarios] : declared())
        EXPECT_TRUE(known.contains(code)) << *scenarios.begin() << " declares " << code;
    for (const HeldByTest& one : kHeldByTests)
        EXPECT_TRUE(known.contains(one.code)) << one.code;
}

} // namespace
} // namespace suture
