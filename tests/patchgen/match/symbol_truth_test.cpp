// Matching without symbols, judged by the symbols of the samples.
#include "tests/patchgen/match/symbol_truth.hpp"

#include <gmock/gmock.h>

#include <filesystem>

namespace suture::test {
namespace {

class SymbolTruthOfSamples : public testing::TestWithParam<const char*> {};

TEST_P(SymbolTruthOfSamples, NoPairIsFalseAndNearlyAllAreFound) {
    std::size_t pairs = 0, found = 0;
    for (const auto& [sample, file] :
         {std::pair{"heartbeat", "heartbeat.dll"}, {"tally", "tally.exe"}, {"cxx", "cxx.exe"}})
        for (const auto& [from, to] : {std::pair{"baseline", "updated"}, {"updated", "baseline"}}) {
            const auto image = [&, sample = sample, file = file](const std::string& version) {
                return std::string(SUTURE_SAMPLES) + "/" + sample + "/" + GetParam() + "/" + version + "/" + file;
            };
            if (!std::filesystem::exists(image(from)))
                GTEST_SKIP() << "this variant of the samples is not built";
            const auto truth = symbol_truth_of(image(from), image(to));
            ASSERT_TRUE(truth) << truth.error().message();
            EXPECT_THAT(truth->wrong, testing::IsEmpty()) << image(from);
            pairs += truth->pairs;
            found += truth->found;
        }
    EXPECT_GE(found * 100, pairs * 97) << found << " of " << pairs;
}

INSTANTIATE_TEST_SUITE_P(Compilers, SymbolTruthOfSamples, testing::Values("clang", "gcc"),
                         [](const auto& one) { return std::string(one.param); });

} // namespace
} // namespace suture::test
