// What patchgen writes depends on the images alone: not on where they lie, when it runs, or on how many processors.
#include "tests/patchgen/run_patchgen.hpp"

namespace suture::cli {
namespace {

namespace fs = std::filesystem;
using test::content_of;
using test::TestFolder;

/// An image of each version, in folders "baseline" and "updated".
struct Pair {
    std::string name;
    fs::path folder;
    std::string file;
};

std::ostream& operator<<(std::ostream& out, const Pair& pair) {
    return out << pair.name;
}

class SameBytes : public testing::TestWithParam<Pair> {};

/// Package, JSON and page, made in a folder of their own from copies of the images and of the symbols beside them.
std::vector<std::string> made_from(const Pair& pair, const std::string& launcher) {
    const TestFolder folder;
    for (const char* version : {"baseline", "updated"})
        fs::copy(pair.folder / version, folder / version);
    const std::string command = "cd '" + folder.path().string() + "' && " + launcher +
                                " '" SUTURE_PATCHGEN "' create " + "baseline/" + pair.file + " updated/" + pair.file +
                                " -o package.bin --json out.json --html page.html --quiet </dev/null";
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
    return {content_of(folder / "package.bin"), content_of(folder / "out.json"), content_of(folder / "page.html")};
}

TEST_P(SameBytes, ComeFromTheSameImages) {
    const auto first = made_from(GetParam(), "");
    for (const std::string& output : first)
        EXPECT_GT(output.size(), 100u);
    // A processor alone has one thread do the work of all.
    for (const char* launcher : {"", "taskset -c 0"}) {
        const auto again = made_from(GetParam(), launcher);
        for (std::size_t i = 0; i < first.size(); ++i)
            EXPECT_TRUE(again[i] == first[i]) << "output " << i << " differs, with \"" << launcher << '"';
    }
}

const Pair kPairs[] = {
    {"x64", fs::path(SUTURE_SAMPLES) / "cxx" / "gcc", "cxx.exe"},
#ifdef SUTURE_ARM64_PAIRS
    {"arm64", fs::path(SUTURE_ARM64_PAIRS) / "calls", "calls.dll"},
#endif
};
INSTANTIATE_TEST_SUITE_P(Machines, SameBytes, testing::ValuesIn(kPairs),
                         [](const auto& pair) { return pair.param.name; });

} // namespace
} // namespace suture::cli
