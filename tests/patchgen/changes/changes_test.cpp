// Small changes whose right answer is known: each source is compiled twice, and says in front what must come out.
#include "tests/patchgen/run_patchgen.hpp"

#include <fmt/format.h>

#include <set>

namespace suture {
namespace {

namespace fs = std::filesystem;
using test::run_patchgen;
using test::TestFolder;

/// "// expect: package f g": these functions are replaced, and no other one. "// expect: refused code code": these
/// codes, and no other ones. "// expect: no-change".
struct Expectation {
    std::string result;
    std::set<std::string> words;
    std::string flags; ///< for the compiler, from "// flags: "
};

Expectation expectation_of(const fs::path& source) {
    Expectation expectation;
    std::ifstream file(source);
    for (std::string line; std::getline(file, line) && line.starts_with("//");) {
        std::istringstream words(line);
        std::string word;
        words >> word >> word;
        if (word == "expect:") {
            words >> expectation.result;
            while (words >> word)
                expectation.words.insert(word);
        } else if (word == "flags:") {
            std::getline(words, expectation.flags);
        }
    }
    return expectation;
}

class Changes : public testing::TestWithParam<std::string> {
  protected:
    void SetUp() override {
        const fs::path source = fs::path(SUTURE_CASES) / GetParam();
        expectation_ = expectation_of(source);
        for (const char* version : {"0", "1"}) {
            const std::string command = fmt::format(
                "cd '{}' && '{}' --target=x86_64-pc-windows-msvc -fuse-ld=lld-link -O2 -g -gcodeview -ffreestanding "
                "-fno-exceptions -fno-rtti -DUPDATED={} -shared -nostdlib -Wl,-entry:entry,-debug,-opt:ref,-Brepro,"
                "-noimplib,-opt:noicf {} '{}' '{}' -o {}.dll",
                folder_.path().string(), SUTURE_CASES_CLANG, version, expectation_.flags, source.string(),
                SUTURE_CASES_KERNEL32, version);
            ASSERT_EQ(std::system(command.c_str()), 0) << command;
        }
    }

    TestFolder folder_;
    Expectation expectation_;
};

TEST_P(Changes, AreWhatTheSourceSays) {
    const auto run = run_patchgen(folder_, {"create", "0.dll", "1.dll", "-o", "package.bin", "--json"});
    const auto json = run.json();
    ASSERT_TRUE(json.is_object()) << run.out << run.err;
    EXPECT_EQ(json.value("result", ""), expectation_.result) << json.dump(2);
    std::set<std::string> found;
    if (expectation_.result == "refused")
        for (const auto& reason : json["reasons"])
            found.insert(reason["code"].get<std::string>());
    else
        for (const auto& change : json["changes"])
            if (change["verdict"] == "replaced")
                found.insert(change["name"].get<std::string>());
    EXPECT_EQ(found, expectation_.words) << json.dump(2);
}

TEST_P(Changes, AreNotMissedWithoutSymbols) {
    const auto run = run_patchgen(folder_, {"create", "0.dll", "1.dll", "-o", "package.bin", "--no-symbols", "--json"});
    const auto json = run.json();
    ASSERT_TRUE(json.is_object()) << run.out << run.err;
    EXPECT_EQ(json["result"] == "no-change", expectation_.result == "no-change") << json.dump(2);
    for (const auto& reason : json["reasons"])
        EXPECT_NE(reason["code"], "proof-failed") << json.dump(2);
}

std::vector<std::string> cases() {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(SUTURE_CASES))
        names.push_back(entry.path().filename().string());
    std::ranges::sort(names);
    return names;
}

std::string name_of(const testing::TestParamInfo<std::string>& info) {
    return info.param.substr(0, info.param.find('.'));
}

INSTANTIATE_TEST_SUITE_P(Cases, Changes, testing::ValuesIn(cases()), name_of);

} // namespace
} // namespace suture
