// Every sample and compiler, with and without symbols: identity, forward, backward and unrelated pairs.
#include "tests/patchgen/run_patchgen.hpp"
#include "tests/patchgen/samples.hpp"

#include <fmt/format.h>

#include <set>

namespace suture {
namespace {

namespace fs = std::filesystem;
using test::content_of;
using test::run_patchgen;
using test::TestFolder;

/// What is known of the names.
enum class Symbols {
    all,     ///< as the compiler left them
    unused,  ///< there, but --no-symbols
    removed, ///< no PDB beside the image, no COFF symbols in it
};

struct Case {
    std::string sample;
    std::string variant;
    Symbols symbols;
};

class Pairs : public testing::TestWithParam<Case> {
  protected:
    /// The image as the case wants it, in a folder of its own.
    std::string image(const std::string& sample, const std::string& version) {
        const std::string source = test::sample_path(sample, GetParam().variant, version);
        if (GetParam().symbols != Symbols::removed)
            return source;
        const fs::path copy = folder_.path() / sample / version / fs::path(source).filename();
        if (!fs::exists(copy)) {
            fs::create_directories(copy.parent_path());
            fs::copy(source, copy);
            // Takes COFF symbols away; a PDB is absent because it was not copied.
            if (GetParam().variant == "gcc") {
                EXPECT_EQ(std::system(("'" SUTURE_STRIP "' --strip-all '" + copy.string() + "'").c_str()), 0);
            }
        }
        return copy.string();
    }
    std::string image(const std::string& version) { return image(GetParam().sample, version); }

    test::Run patchgen(std::vector<std::string> arguments) {
        if (GetParam().symbols == Symbols::unused)
            arguments.push_back("--no-symbols");
        return run_patchgen(folder_, arguments);
    }

    /// Makes a package and proves it, or is refused with reasons where that is allowed.
    void expect_patch(const std::string& from, const std::string& to) {
        const auto run = patchgen({"create", image(from), image(to), "-o", "package.bin", "--json"});
        const auto json = run.json();
        ASSERT_TRUE(json.is_object()) << run.out << run.err;
        if (run.exit_code == 4) {
            ASSERT_FALSE(json["reasons"].empty());
            std::set<std::string> codes;
            for (const auto& reason : json["reasons"])
                codes.insert(reason["code"]);
            EXPECT_FALSE(codes.contains("proof-failed")) << run.out;
            EXPECT_TRUE(may_be_refused()) << json["reasons"].dump(2);
            EXPECT_FALSE(fs::exists(folder_.path() / "package.bin"));
            return;
        }
        ASSERT_EQ(run.exit_code, 0) << run.out << run.err;
        EXPECT_EQ(patchgen({"prove", image(from), image(to), "package.bin"}).exit_code, 0);
        EXPECT_EQ(run_patchgen(folder_, {"inspect", "package.bin", "--quiet"}).exit_code, 0);
        // The same in another folder.
        const TestFolder other;
        const auto again = [&] {
            std::vector<std::string> arguments = {"create", image(from), image(to), "-o", "package.bin", "--quiet"};
            if (GetParam().symbols == Symbols::unused)
                arguments.push_back("--no-symbols");
            return run_patchgen(other, arguments);
        }();
        EXPECT_EQ(again.exit_code, 0);
        EXPECT_EQ(content_of(folder_ / "package.bin"), content_of(other / "package.bin"));
    }

    /// Without names what a variable is cannot always be proved.
    bool may_be_refused() const { return GetParam().symbols != Symbols::all; }

    TestFolder folder_;
};

TEST_P(Pairs, IdentityIsNoChange) {
    const auto run = patchgen({"create", image("baseline"), image("baseline"), "-o", "package.bin"});
    EXPECT_EQ(run.exit_code, 3) << run.out << run.err;
}

TEST_P(Pairs, ForwardIsAPackage) {
    expect_patch("baseline", "updated");
}

TEST_P(Pairs, BackwardIsAPackage) {
    expect_patch("updated", "baseline");
}

TEST_P(Pairs, UnrelatedIsRefused) {
    const std::string other = GetParam().sample == "tally" ? "heartbeat" : "tally";
    const auto run = patchgen({"create", image("baseline"), image(other, "updated"), "-o", "package.bin"});
    EXPECT_EQ(run.exit_code, 4) << run.out << run.err;
    EXPECT_FALSE(fs::exists(folder_.path() / "package.bin"));
}

std::vector<Case> cases() {
    std::vector<Case> list;
    for (const char* sample : {"heartbeat", "tally", "cxx"})
        for (const char* variant : {"clang", "clang-hotpatch", "gcc"})
            for (const Symbols symbols : {Symbols::all, Symbols::unused, Symbols::removed})
                list.push_back({sample, variant, symbols});
    return list;
}

std::string name_of(const testing::TestParamInfo<Case>& info) {
    constexpr const char* kSymbols[] = {"symbols", "no_symbols", "stripped"};
    std::string name =
        fmt::format("{}_{}_{}", info.param.sample, info.param.variant, kSymbols[static_cast<int>(info.param.symbols)]);
    std::ranges::replace(name, '-', '_');
    return name;
}

INSTANTIATE_TEST_SUITE_P(Samples, Pairs, testing::ValuesIn(cases()), name_of);

} // namespace
} // namespace suture
