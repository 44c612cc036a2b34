// Small changes whose right answer is known: each source is compiled twice, and says in front what must come out.
#include "engine/package/writer.hpp"
#include "engine/pe/unwind_arm64.hpp"
#include "engine/pe/unwind_x64.hpp"
#include "patchgen/emit/emit.hpp"
#include "patchgen/program/program.hpp"
#include "patchgen/prove/prove.hpp"
#include "tests/patchgen/run_patchgen.hpp"

#include <fmt/format.h>

#include <array>
#include <map>
#include <set>

namespace suture {
namespace {

namespace fs = std::filesystem;
using test::run_patchgen;
using test::TestFolder;

/// "// expect: package f g": these functions are replaced, and no other one. "// expect: refused code code": these
/// codes, and no other ones. "// expect: no-change". "// reports: f g": these are among what is said to have changed,
/// whatever comes of it. "// without: package f g": all that is said to have changed without symbols, of what has names
/// then. "// expect-mingw: " and the like hold for one target.
struct Expectation {
    std::string result;
    std::set<std::string> words;
    std::set<std::string> reports;
    std::string result_without;           ///< without symbols; empty: whatever is no miss
    std::set<std::string> words_without;  ///< likewise
    std::set<std::string> targets{"x64"}; ///< from "// targets: ": x64, arm64 (Clang, with PDBs), mingw (GCC)
    std::string flags;                    ///< for the compiler, from "// flags: "
    std::array<std::string, 2> flags_of;  ///< for one version, from "// flags 0: " and "// flags 1: "
};

std::set<std::string> words_of(std::istringstream& line) {
    std::set<std::string> words;
    for (std::string word; line >> word;)
        words.insert(word);
    return words;
}

Expectation expectation_of(const std::string& source, const std::string& target) {
    Expectation expectation;
    std::ifstream file(fs::path(SUTURE_CASES) / source);
    const auto is = [&](const std::string& word, const std::string& key) {
        return word == key + ":" || word == key + "-" + target + ":";
    };
    for (std::string line; std::getline(file, line) && line.starts_with("//");) {
        std::istringstream words(line);
        std::string word;
        words >> word >> word;
        if (line.starts_with("// flags 0: ") || line.starts_with("// flags 1: ")) {
            expectation.flags_of[line[9] == '1'] = line.substr(12);
        } else if (is(word, "expect")) {
            words >> expectation.result;
            expectation.words = words_of(words);
        } else if (is(word, "without")) {
            words >> expectation.result_without;
            expectation.words_without = words_of(words);
        } else if (is(word, "reports")) {
            expectation.reports = words_of(words);
        } else if (word == "targets:") {
            expectation.targets = words_of(words);
        } else if (is(word, "flags")) {
            std::getline(words, expectation.flags);
        }
    }
    return expectation;
}

/// A source and what it is compiled for.
struct Case {
    std::string source;
    std::string target = "x64";

    auto operator<=>(const Case&) const = default;
    std::string name() const { return source.substr(0, source.find('.')) + (target == "x64" ? "" : "_" + target); }
};

std::string command_for(const Case& one, const Expectation& expectation, std::size_t version) {
    const std::string source = (fs::path(SUTURE_CASES) / one.source).string();
    const std::string flags = expectation.flags + " " + expectation.flags_of[version];
    const std::string output = fmt::format("{}.dll", version);
    if (one.target == "mingw")
        return fmt::format("'{}' -O2 -ffreestanding -DUPDATED={} -shared -Wl,--no-insert-timestamp '{}' {} -o {}",
                           source.ends_with("cpp") ? SUTURE_CASES_GXX : SUTURE_CASES_GCC, version, source, flags,
                           output);
    const bool arm64 = one.target == "arm64";
    return fmt::format(
        "'{}' --target={}-pc-windows-msvc -fuse-ld=lld-link -O2 -g -gcodeview -ffreestanding -fno-exceptions -fno-rtti "
        "-DUPDATED={} -shared -nostdlib -Wl,-entry:entry,-debug,-opt:ref,-Brepro,-noimplib,-opt:noicf {} '{}' {} -o {}",
        SUTURE_CASES_CLANG, arm64 ? "aarch64" : "x86_64", version, flags, source,
        arm64 ? "" : fmt::format("'{}'", SUTURE_CASES_KERNEL32), output);
}

/// Makes 0.dll and 1.dll with their symbols.
void build(const TestFolder& folder, const Case& one) {
    for (const std::size_t version : {0u, 1u}) {
        const std::string command = fmt::format("cd '{}' && {}", folder.path().string(),
                                                command_for(one, expectation_of(one.source, one.target), version));
        ASSERT_EQ(std::system(command.c_str()), 0) << command;
    }
}

class Changes : public testing::TestWithParam<Case> {
  protected:
    /// Both tests of a case look at the same images.
    void SetUp() override {
        static std::map<Case, TestFolder> folders;
        const auto [folder, fresh] = folders.try_emplace(GetParam());
        folder_ = &folder->second;
        expectation_ = expectation_of(GetParam().source, GetParam().target);
        if (fresh)
            build(*folder_, GetParam());
    }

    nlohmann::json create(std::vector<std::string> options) {
        options.insert(options.begin(), {"create", "0.dll", "1.dll", "-o", "package.bin", "--json"});
        const auto run = run_patchgen(*folder_, options);
        EXPECT_TRUE(run.json().is_object()) << run.out << run.err;
        return run.json();
    }

    std::set<std::string> exports() const {
        std::set<std::string> names;
        const auto program = program::Program::load(*folder_ / "1.dll", {{}, false});
        for (const pe::Export& one : (*program)->exports())
            names.insert(one.name);
        return names;
    }

    static std::set<std::string> changed(const nlohmann::json& json, const std::string& verdict = "") {
        std::set<std::string> names;
        for (const auto& change : json["changes"])
            if (verdict.empty() || change["verdict"] == verdict)
                names.insert(change["name"].get<std::string>());
        return names;
    }

    static std::set<std::string> codes(const nlohmann::json& json) {
        std::set<std::string> found;
        for (const auto& reason : json["reasons"])
            found.insert(reason["code"].get<std::string>());
        return found;
    }

    TestFolder* folder_ = nullptr;
    Expectation expectation_;
};

TEST_P(Changes, AreWhatTheSourceSays) {
    const auto json = create({});
    ASSERT_TRUE(json.is_object());
    EXPECT_EQ(json.value("result", ""), expectation_.result) << json.dump(2);
    std::set<std::string> found;
    if (expectation_.result == "refused")
        found = codes(json);
    else
        found = changed(json, "replaced");
    EXPECT_EQ(found, expectation_.words) << json.dump(2);
    EXPECT_TRUE(std::ranges::includes(changed(json), expectation_.reports)) << json.dump(2);
}

TEST_P(Changes, AreNotMissedWithoutSymbols) {
    const auto json = create({"--no-symbols"});
    ASSERT_TRUE(json.is_object());
    EXPECT_EQ(json["result"] == "no-change", expectation_.result == "no-change") << json.dump(2);
    for (const auto& reason : json["reasons"])
        EXPECT_NE(reason["code"], "proof-failed") << json.dump(2);
    if (json["result"] == "package") {
        const auto proof = run_patchgen(*folder_, {"prove", "0.dll", "1.dll", "package.bin", "--no-symbols"});
        EXPECT_EQ(proof.exit_code, 0) << proof.out << proof.err;
    }
    // Exports alone have names then.
    const std::set<std::string> named = exports();
    if (!expectation_.result_without.empty()) {
        std::set<std::string> found = expectation_.result_without == "refused" ? codes(json) : changed(json);
        std::erase_if(found, [&](const std::string& name) { return name.starts_with("sub_"); });
        EXPECT_EQ(json["result"], expectation_.result_without) << json.dump(2);
        EXPECT_EQ(found, expectation_.words_without) << json.dump(2);
        return;
    }
    std::set<std::string> expected = expectation_.reports;
    if (expectation_.result == "package")
        expected.insert(expectation_.words.begin(), expectation_.words.end());
    std::erase_if(expected, [&](const std::string& name) { return !named.contains(name); });
    EXPECT_TRUE(std::ranges::includes(changed(json), expected)) << json.dump(2);
}

/// Without names a handler is known by what it does.
TEST(HandlerWithoutAName, IsNoObstacleWhereItOnlyChecksTheStack) {
    for (const auto& [source, exit_code] : {std::pair("handler_checks_the_stack.c", 0), {"handler_does_more.c", 4}}) {
        const TestFolder folder;
        build(folder, Case{source});
        const auto run = run_patchgen(folder, {"create", "0.dll", "1.dll", "-o", "package.bin", "--no-symbols"});
        EXPECT_EQ(run.exit_code, exit_code) << source << run.out << run.err;
    }
}

/// Linkers write the type of a symbol that they met first, and objects that only call something need not have one.
TEST(ImportThunks, AreFunctionsWhateverTheTypeOfTheirSymbol) {
    const TestFolder folder;
    build(folder, Case{"handler_of_a_static_library.cpp", "mingw"});
    std::string file = test::content_of(folder / "1.dll");
    const ByteView bytes(reinterpret_cast<const std::uint8_t*>(file.data()), file.size());
    const auto image = pe::Image::parse(bytes, pe::Layout::file);
    ASSERT_TRUE(image) << image.error().message();
    constexpr std::size_t kSymbolSize = 18;
    const std::uint32_t header = *bytes.read<std::uint32_t>(0x3c);
    const std::uint32_t table = *bytes.read<std::uint32_t>(header + 12);
    const std::uint32_t count = *bytes.read<std::uint32_t>(header + 16);
    std::size_t thunks = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
        const std::size_t at = table + i * kSymbolSize;
        const auto section = *bytes.read<std::uint16_t>(at + 12);
        const Rva place = image->sections()[0].range.begin + *bytes.read<std::uint32_t>(at + 8);
        // Every other one, so that each lies behind one that is said to be a function.
        if (section == 1 && image->read<std::uint16_t>(place) == 0x25ff && place.value % 16 == 8) {
            file[at + 14] = file[at + 15] = 0;
            ++thunks;
        }
        i += *bytes.read<std::uint8_t>(at + 17);
    }
    ASSERT_GT(thunks, 5u);
    std::ofstream(folder / "1.dll", std::ios::binary) << file;
    const auto run = run_patchgen(folder, {"create", "0.dll", "1.dll", "-o", "package.bin", "--json"});
    EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
    EXPECT_EQ(run.json()["functions"]["changed"], 1) << run.out;
}

/// A package, to be made wrong.
class WrongPackage : public testing::TestWithParam<Case> {
  protected:
    void SetUp() override {
        build(folder_, GetParam());
        auto baseline = program::Program::load(folder_ / "0.dll", {});
        auto updated = program::Program::load(folder_ / "1.dll", {});
        ASSERT_TRUE(baseline && updated);
        baseline_ = std::move(*baseline);
        updated_ = std::move(*updated);
        changes_ = diff::compare(*baseline_, *updated_);
        auto contents = emit::emit(*baseline_, *updated_, changes_, {});
        ASSERT_TRUE(contents) << contents.error().message();
        contents_ = std::move(*contents);
    }

    Result<prove::Proof> proof() const {
        const auto file = package::write_package(contents_);
        return file ? prove::prove(*baseline_, *updated_, *file) : std::unexpected(file.error());
    }

    TestFolder folder_;
    std::unique_ptr<const program::Program> baseline_;
    std::unique_ptr<const program::Program> updated_;
    diff::ChangeSet changes_;
    package::Contents contents_;
};

/// Whose functions have handlers, to be damaged in their data.
class HandlersOfAPackage : public WrongPackage {
  protected:
    /// Bytes that unwind data and the data of handlers take.
    std::size_t meaningful() const {
        std::size_t bytes = 0;
        std::set<RvaRange> blocks;
        for (const diff::EmittedFunction& function : changes_.functions) {
            for (const pe::RuntimeFunction& entry : function.updated->unwind)
                bytes += GetParam().target == "arm64" ? pe::unwind_info_arm64_of(updated_->image(), entry)->size
                                                      : pe::unwind_info_at(updated_->image(), entry.unwind_info)->size;
            for (const diff::EmittedHandler& handler : function.handlers)
                blocks.insert(handler.content.blocks.begin(), handler.content.blocks.end());
        }
        for (const RvaRange& block : blocks)
            bytes += block.size;
        return bytes;
    }

    package::SectionContent& rdata() {
        return *std::ranges::find(contents_.sections, ".rdata", &package::SectionContent::name);
    }
};

TEST_P(HandlersOfAPackage, AreRefutedWithAnyByteOfTheirDataDifferent) {
    ASSERT_TRUE(proof()) << proof().error().message();
    package::SectionContent& data = rdata();
    std::size_t unnoticed = 0;
    for (std::uint32_t i = 0; i < data.bytes.size(); ++i) {
        const bool is_filled_in = std::ranges::any_of(contents_.manifest.fixups, [&](const package::Fixup& fixup) {
            return data.rva + i >= fixup.source && data.rva + i < fixup.source + 8;
        });
        if (is_filled_in)
            continue;
        for (const std::uint8_t bit : {std::uint8_t{0x01}, std::uint8_t{0x10}}) {
            data.bytes[i] ^= bit;
            const bool holds = proof().has_value();
            data.bytes[i] ^= bit;
            EXPECT_TRUE(!holds || data.bytes[i] == 0) << fmt::format("+0x{:x} of .rdata", i);
            unnoticed += holds && bit == 1;
        }
    }
    // Alignment, inside GCC's data too, is nobody's.
    constexpr std::size_t kFillBeforeTypes = 3;
    EXPECT_LE(unnoticed, data.bytes.size() - meaningful() + kFillBeforeTypes);
}

TEST_P(HandlersOfAPackage, AreRefutedWithAnyAddressElsewhere) {
    const package::Contents good = contents_;
    for (std::size_t i = 0; i < good.manifest.fixups.size(); ++i) {
        contents_ = good;
        // An adrp holds no more of its target than which page that is in.
        package::Fixup& fixup = contents_.manifest.fixups[i];
        fixup.target.value += fixup.kind == package::FixupKind::arm64_page21 ? 0x1000 : 8;
        EXPECT_FALSE(proof()) << "target of fixup " << i;
        contents_ = good;
        contents_.manifest.fixups.erase(contents_.manifest.fixups.begin() + static_cast<std::ptrdiff_t>(i));
        EXPECT_FALSE(proof()) << "lack of fixup " << i;
    }
}

/// Whatever an image says there: it is told, and ends in a refusal or in a package that holds.
TEST_P(HandlersOfAPackage, AreNeitherMissedNorTrustedWithAnyByteOfTheImageDifferent) {
    std::set<RvaRange> blocks;
    for (const diff::EmittedFunction& function : changes_.functions)
        for (const diff::EmittedHandler& handler : function.handlers)
            blocks.insert(handler.content.blocks.begin(), handler.content.blocks.end());
    ASSERT_FALSE(blocks.empty());
    const std::string good = test::content_of(folder_ / "1.dll");
    for (const RvaRange& block : blocks) {
        const auto at = updated_->image().file_offset(block.begin);
        ASSERT_TRUE(at);
        for (std::uint32_t i = 0; i < block.size; ++i) {
            for (const char byte : {'\0', '\1', '\x7f', '\xff'}) {
                std::string image = good;
                if (image[at->value + i] == byte)
                    continue;
                image[at->value + i] = byte;
                std::ofstream(folder_ / "2.dll", std::ios::binary) << image;
                const auto updated = program::Program::load(folder_ / "2.dll", {});
                ASSERT_TRUE(updated) << updated.error().message();
                const auto changes = diff::compare(*baseline_, **updated);
                EXPECT_FALSE(changes.changes.empty());
                if (!changes.refusals.empty())
                    continue;
                const auto contents = emit::emit(*baseline_, **updated, changes, {});
                const auto file = contents ? package::write_package(*contents) : std::unexpected(contents.error());
                if (file) {
                    EXPECT_TRUE(prove::prove(*baseline_, **updated, *file))
                        << fmt::format("+0x{:x}", block.begin.value + i);
                }
            }
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Sources, HandlersOfAPackage,
                         testing::Values(Case{"guarded_range_another.c"}, Case{"guarded_range_another.c", "arm64"},
                                         Case{"finally_code_another.c"}, Case{"finally_code_another.c", "arm64"},
                                         Case{"catch_code_another.cpp"}, Case{"catch_code_another.cpp", "arm64"},
                                         Case{"catch_code_another.cpp", "mingw"},
                                         Case{"call_site_another_gcc.cpp", "mingw"}),
                         [](const auto& one) { return one.param.name(); });

class CallTargetsOfAPackage : public WrongPackage {};

TEST_P(CallTargetsOfAPackage, AreThoseThatTheUpdateTakesTheAddressesOf) {
    const package::Manifest& manifest = contents_.manifest;
    EXPECT_TRUE(manifest.guarded);
    ASSERT_EQ(manifest.call_targets.size(), 1u);
    EXPECT_NE(manifest.call_targets.front(), manifest.functions.front().patch) << "nobody takes that of `choose`";
    ASSERT_EQ(manifest.baseline_call_targets.size(), 1u);
    EXPECT_EQ(baseline_->function_at(manifest.baseline_call_targets.front())->display_name(), "thrice");
    EXPECT_TRUE(proof()) << proof().error().message();
}

TEST_P(CallTargetsOfAPackage, AreRefutedWhereOneIsMissingOrTooMany) {
    const package::Manifest good = contents_.manifest;
    const auto refuted = [&](const auto& change) {
        contents_.manifest = good;
        change(contents_.manifest);
        const auto proved = proof();
        return !proved && proved.error().code() == Code::proof_failed;
    };
    const auto add = [](std::vector<Rva>& targets, Rva target) {
        targets.push_back(target);
        std::ranges::sort(targets);
    };
    const Rva listed = baseline_->load_config().call_targets.front();
    const Rva called = std::ranges::find(baseline_->exports(), "called", &pe::Export::name)->rva;
    EXPECT_TRUE(refuted([](package::Manifest& m) { m.call_targets.clear(); }));
    EXPECT_TRUE(refuted([](package::Manifest& m) { m.baseline_call_targets.clear(); }));
    EXPECT_TRUE(refuted([&](package::Manifest& m) { add(m.call_targets, m.functions.front().patch); }));
    EXPECT_TRUE(refuted([](package::Manifest& m) { m.call_targets.front() = m.functions.front().patch; }));
    EXPECT_TRUE(refuted([&](package::Manifest& m) { add(m.baseline_call_targets, listed); }));
    EXPECT_TRUE(refuted([&](package::Manifest& m) { m.baseline_call_targets.front() = called; }));
    EXPECT_TRUE(refuted([](package::Manifest& m) {
        m.guarded = false;
        m.call_targets.clear();
        m.baseline_call_targets.clear();
    }));
}

INSTANTIATE_TEST_SUITE_P(Sources, CallTargetsOfAPackage,
                         testing::Values(Case{"called_by_address.c"}, Case{"called_by_address.c", "arm64"}),
                         [](const auto& one) { return one.param.name(); });

class AllowedDataChange : public testing::Test {
  protected:
    void SetUp() override { build(folder_, {"initial_value_and_code.c"}); }

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

std::vector<Case> cases() {
    std::vector<Case> list;
    for (const auto& entry : fs::directory_iterator(SUTURE_CASES)) {
        const std::string source = entry.path().filename().string();
        if (!source.ends_with(".h"))
            for (const std::string& target : expectation_of(source, "").targets)
                list.push_back({source, target});
    }
    std::ranges::sort(list);
    return list;
}

void PrintTo(const Case& one, std::ostream* out) {
    *out << one.name();
}

std::string name_of(const testing::TestParamInfo<Case>& info) {
    return info.param.name();
}

INSTANTIATE_TEST_SUITE_P(Cases, Changes, testing::ValuesIn(cases()), name_of);

} // namespace
} // namespace suture
