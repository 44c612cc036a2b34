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

/// Makes 0.dll and 1.dll with their PDBs.
void build(const TestFolder& folder, const std::string& name) {
    const fs::path source = fs::path(SUTURE_CASES) / name;
    for (const char* version : {"0", "1"}) {
        const std::string command = fmt::format(
            "cd '{}' && '{}' --target=x86_64-pc-windows-msvc -fuse-ld=lld-link -O2 -g -gcodeview -ffreestanding "
            "-fno-exceptions -fno-rtti -DUPDATED={} -shared -nostdlib -Wl,-entry:entry,-debug,-opt:ref,-Brepro,"
            "-noimplib,-opt:noicf {} '{}' '{}' -o {}.dll",
            folder.path().string(), SUTURE_CASES_CLANG, version, expectation_of(source).flags, source.string(),
            SUTURE_CASES_KERNEL32, version);
        ASSERT_EQ(std::system(command.c_str()), 0) << command;
    }
}

class Changes : public testing::TestWithParam<std::string> {
  protected:
    void SetUp() override {
        expectation_ = expectation_of(fs::path(SUTURE_CASES) / GetParam());
        build(folder_, GetParam());
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

class AllowedDataChange : public testing::Test {
  protected:
    void SetUp() override { build(folder_, "initial_value_and_code.c"); }

    test::Run create(std::vector<std::string> options) {
        options.insert(options.begin(), {"create", "0.dll", "1.dll", "-o", "package.bin", "--json"});
        return run_patchgen(folder_, options);
    }
    test::Run prove(std::vector<std::string> options) {
        options.insert(options.begin(), {"prove", "0.dll", "1.dll", "package.bin", "--json"});
        return run_patchgen(folder_, options);
    }
    static std::string code_of(const test::Run& run) {
        const auto json = run.json();
        return json.is_object() && json.contains("error") ? json["error"].value("code", "") : "";
    }

    TestFolder folder_;
};

TEST_F(AllowedDataChange, IsLeftOutByComparisonAndProof) {
    const auto run = create({"--allow-data-change", "limit"});
    ASSERT_EQ(run.exit_code, 0) << run.out << run.err;
    ASSERT_EQ(run.json()["allowed"].size(), 1u);
    EXPECT_EQ(run.json()["allowed"][0]["code"], "data-initial-value-changed");
    EXPECT_EQ(run.json()["proof"]["allowed"], 1);
    EXPECT_EQ(prove({"--allow-data-change", "limit"}).exit_code, 0);
}

TEST_F(AllowedDataChange, IsRefutedByAProofThatIsNotToldOrToldOfAnotherOne) {
    ASSERT_EQ(create({"--allow-data-change", "limit"}).exit_code, 0);
    EXPECT_EQ(code_of(prove({})), "proof-failed");
    EXPECT_EQ(code_of(prove({"--allow-data-change", "other_limit"})), "proof-failed");
    EXPECT_EQ(code_of(prove({"--allow-data-change", "nothing"})), "data-not-changed");
}

TEST_F(AllowedDataChange, MustBeOneThatThereIs) {
    for (const char* name : {"other_limit", "nothing", "within", "+0x1", "+0xzz", ""}) {
        const auto run = create({"--allow-data-change", "limit", "--allow-data-change", name});
        EXPECT_EQ(run.exit_code, 1) << name;
        EXPECT_EQ(code_of(run), "data-not-changed") << name;
    }
    EXPECT_FALSE(fs::exists(folder_.path() / "package.bin"));
}

TEST_F(AllowedDataChange, CanBeNamedByItsAddressWithoutSymbols) {
    const auto refused = create({"--no-symbols"});
    ASSERT_EQ(refused.exit_code, 4) << refused.out;
    const auto reasons = refused.json()["reasons"];
    ASSERT_EQ(reasons.size(), 1u);
    ASSERT_EQ(reasons[0]["code"], "data-initial-value-changed");
    const std::string name = fmt::format("+0x{:x}", reasons[0]["rva"].get<unsigned>());
    const auto run = create({"--no-symbols", "--allow-data-change", name});
    EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
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
